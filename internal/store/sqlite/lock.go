package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// LockedError says that another process has the database open.
type LockedError struct {
	// Path is the database file.
	Path string
	// PID is the process that has it, or 0 when that is not known.
	PID int
}

// Error implements error.
func (e *LockedError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("database %s is in use by %s, and only one process at a time can use it: "+
		"talk to the server that runs there (--server), stop it, or name another file", e.Path, who)
}

// errHeld is what tryLock returns when the lock is held elsewhere.
var errHeld = errors.New("held by another process")

// fileLock is held from Open to Close. The operating system releases it when
// the process ends, however it ends, so there are no stale locks; the file
// itself stays.
type fileLock struct{ file *os.File }

// acquire locks the file beside the database. It is a file of its own because
// closing any descriptor of the database would drop SQLite's own locks.
func acquire(database string) (*fileLock, error) {
	path := database + ".lock"
	f, err := tryLock(path)
	if errors.Is(err, errHeld) {
		return nil, &LockedError{Path: database, PID: readPID(path)}
	}
	if err != nil {
		return nil, fmt.Errorf("lock database %s: %w", database, err)
	}
	if err := writePID(f); err != nil {
		return nil, errors.Join(fmt.Errorf("lock database %s: %w", database, err), f.Close())
	}
	return &fileLock{file: f}, nil
}

func (l *fileLock) release() error { return l.file.Close() }

// writePID tells others whom they wait for.
func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func readPID(path string) int {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close() //nolint:errcheck // only read from
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return pid
}
