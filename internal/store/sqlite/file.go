package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// fileMode and dirMode keep transcripts from other users of the machine.
	fileMode = 0o600
	dirMode  = 0o700
	// walPages is the size of the write-ahead log at which it is folded back
	// into the file, in pages of 4 KiB.
	walPages = 4000
	// walLimit is the size in bytes to which a log that grew beyond that,
	// behind a long read, is cut back.
	walLimit = 64 << 20
)

// resolve returns the one name of the file, so that two names of it cannot be
// locked twice.
func resolve(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(abs), dirMode); err != nil {
		return "", err
	}
	resolved, err := filepath.EvalSymlinks(abs)
	if errors.Is(err, fs.ErrNotExist) {
		dir, dirErr := filepath.EvalSymlinks(filepath.Dir(abs))
		return filepath.Join(dir, filepath.Base(abs)), dirErr
	}
	return resolved, err
}

// prepare creates the file, or takes the rights to an existing one from
// everybody else. SQLite gives the log files beside it the same mode.
func prepare(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err == nil && info.Mode().Perm()&^fileMode != 0 {
		err = f.Chmod(fileMode)
	}
	return errors.Join(err, f.Close())
}

// plainDSN opens the file without changing anything in it.
func plainDSN(path string, busy time.Duration) string { return dsn(path, busy) }

// writerDSN is for the one connection that writes.
//
// synchronous=NORMAL hands every commit to the operating system before it is
// acknowledged and syncs the disk at checkpoints. So a killed process loses
// nothing, and a power cut may lose the last commits but never corrupts the
// file. FULL would keep those as well and make each commit wait for the disk;
// what a power cut takes is asked for again when the run is resumed.
func writerDSN(path string, busy time.Duration) string {
	return dsn(path, busy,
		"journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(ON)", "cache_size(-16000)",
		fmt.Sprintf("wal_autocheckpoint(%d)", walPages), fmt.Sprintf("journal_size_limit(%d)", walLimit))
}

// readerDSN is for the pool, which cannot write.
func readerDSN(path string, busy time.Duration) string {
	return dsn(path, busy, "query_only(ON)", "foreign_keys(ON)")
}

func dsn(path string, busy time.Duration, pragmas ...string) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // a drive letter
	}
	query := url.Values{"_dqs": {"0"}, "_defensive": {"1"}}
	query.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds()))
	for _, p := range pragmas {
		query.Add("_pragma", p)
	}
	u := url.URL{Scheme: "file", Path: slashed, RawQuery: query.Encode()}
	return u.String()
}
