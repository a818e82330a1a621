package corpus

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/unmask-eval/unmask/internal/documents"
)

// maxLine bounds a line of either file: a document of the greatest size, every
// character of it escaped, and what stands around it.
const maxLine = 8*documents.MaxDocumentBytes + 64<<10

// directory is a corpus in the making.
type directory struct {
	dir         string
	shape       documents.Shape
	lock        *os.File
	docs, index *os.File
}

// open creates the directory, or takes up the one that is there.
func open(job Job) (_ *directory, err error) {
	if err := os.MkdirAll(job.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the directory: %w", err)
	}
	d := &directory{dir: job.Dir, shape: job.Settings.Shape}
	if d.lock, err = tryLock(d.path(lockFile)); err != nil {
		if errors.Is(err, errHeld) {
			return nil, &StateError{job.Dir, "is being written to by another process"}
		}
		return nil, fmt.Errorf("lock %s: %w", job.Dir, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if err := d.claim(job); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name string
		into **os.File
	}{{DocumentsFile, &d.docs}, {IndexFile, &d.index}} {
		if *f.into, err = d.openPart(f.name); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *directory) path(name string) string { return filepath.Join(d.dir, name) }

// claim writes the plan of a new corpus, or compares that of an old one.
func (d *directory) claim(job Job) error {
	if job.Resume {
		saved, err := Saved(d.dir)
		if err != nil {
			return err
		}
		if field := saved.Differs(job.Settings); field != "" {
			return &StateError{d.dir, "holds a corpus with another " + field + "; it can be continued with the same one only"}
		}
		return nil
	}
	for _, name := range []string{ManifestFile, planFile, DocumentsFile, IndexFile, DocumentsFile + part, IndexFile + part} {
		if _, err := os.Lstat(d.path(name)); err == nil {
			return &StateError{d.dir, "already holds " + name + "; continue it with --resume, or name another directory"}
		}
	}
	return writeJSON(d.path(planFile), job.Settings)
}

// openPart opens a file that grows. One that had lost its ".part" before the
// manifest was written gets it back.
func (d *directory) openPart(name string) (*os.File, error) {
	path := d.path(name + part)
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		if err := os.Rename(d.path(name), path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("continue %s: %w", name, err)
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the corpus: %w", err)
	}
	return f, nil
}

// recover reads what is there, cuts both files off where they stop agreeing, and
// returns the place in the plan at which to go on.
func (d *directory) recover(p documents.Plan, known *documents.Duplicates) (from int, err error) {
	docs, index := bufio.NewReaderSize(d.docs, 64<<10), bufio.NewReaderSize(d.index, 64<<10)
	var docsEnd, indexEnd int64
	for from < p.Count {
		line, ok, err := readLine(index)
		if err != nil {
			return 0, err
		}
		var e Entry
		if !ok || json.Unmarshal(line, &e) != nil || e.Index != from {
			break
		}
		if e.Kept {
			doc, ok, err := readLine(docs)
			if err != nil {
				return 0, err
			}
			text, err := d.shape.Read(doc)
			if !ok || err != nil || digest([]byte(text)) != e.Digest {
				break
			}
			known.Add(documents.NewFingerprint(text))
			docsEnd += int64(len(doc))
		}
		indexEnd += int64(len(line))
		from++
	}
	return from, errors.Join(cut(d.docs, docsEnd), cut(d.index, indexEnd))
}

// readLine returns a line with its end; ok is false for one that has none or is
// too long, and at the end of the file.
func readLine(r *bufio.Reader) (line []byte, ok bool, err error) {
	for {
		piece, err := r.ReadSlice('\n')
		line = append(line, piece...)
		switch {
		case err == nil:
			return line, true, nil
		case errors.Is(err, io.EOF), len(line) > maxLine:
			return nil, false, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, false, fmt.Errorf("read the corpus: %w", err)
		}
	}
}

func cut(f *os.File, at int64) error {
	if err := f.Truncate(at); err != nil {
		return fmt.Errorf("repair the corpus: %w", err)
	}
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return fmt.Errorf("repair the corpus: %w", err)
	}
	return nil
}

// keep writes a document and its line of the index, or the latter alone for one
// that was dropped.
func (d *directory) keep(r documents.Result) error {
	e := newEntry(r)
	if r.Text != "" {
		line, err := d.shape.Line(r)
		if err != nil {
			return err
		}
		if _, err := d.docs.Write(line); err != nil {
			return fmt.Errorf("write a document: %w", err)
		}
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write the index: %w", err)
	}
	if _, err := d.index.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write the index: %w", err)
	}
	return nil
}

// finish makes the files final and writes the manifest last.
func (d *directory) finish(job Job) (*Manifest, error) {
	m, err := d.manifest(job)
	if err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name string
		file *os.File
	}{{DocumentsFile, d.docs}, {IndexFile, d.index}} {
		if err := f.file.Sync(); err != nil {
			return nil, fmt.Errorf("finish the corpus: %w", err)
		}
		if err := os.Rename(d.path(f.name+part), d.path(f.name)); err != nil {
			return nil, fmt.Errorf("finish the corpus: %w", err)
		}
	}
	if err := writeJSON(d.path(ManifestFile), m); err != nil {
		return nil, err
	}
	if err := os.Remove(d.path(planFile)); err != nil {
		return nil, fmt.Errorf("finish the corpus: %w", err)
	}
	return m, nil
}

// close lets go of the directory. The lock's file stays: removing it would let two
// others each lock a file of their own.
func (d *directory) close() error {
	var all []error
	for _, f := range []*os.File{d.docs, d.index, d.lock} {
		if f != nil {
			all = append(all, f.Close())
		}
	}
	return errors.Join(all...)
}

// writeJSON writes a file as a whole or not at all.
func writeJSON(path string, v any) (err error) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
	}
	return nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
