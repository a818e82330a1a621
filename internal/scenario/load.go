package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Load reads a scenario from a YAML document that holds its own queries. JSON
// is YAML, so it reads JSON as well. name stands for the document in error
// messages, usually its file name.
//
// Load is strict: unknown and duplicate fields, wrong types, anchors, aliases,
// tags and a second document are refused, and all problems are reported at
// once in an *Error. Time and memory are bounded by MaxBytes and the limits
// beside it, whatever data holds. It is safe for concurrent use.
func Load(name string, data []byte) (*Scenario, error) {
	s, _, err := load(name, data, nil)
	return s, err
}

// LoadFS reads the document called name from fsys, and the query files and
// included files that it names from the directory of name alone: their names are plain file names,
// so no document reaches outside of its directory. Where fsys is a directory
// of the operating system, pass os.Root.FS so that links cannot either.
//
// The error is an *Error for problems in any of these files; it wraps
// fs.ErrNotExist where the document itself does not exist.
func LoadFS(fsys fs.FS, name string) (*Scenario, error) {
	data, open, err := openFS(fsys, name)
	if err != nil {
		return nil, err
	}
	s, _, err := load(path.Base(name), data, open)
	return s, err
}

// openFS reads a document and says how to read the files beside it.
func openFS(fsys fs.FS, name string) ([]byte, opener, error) {
	data, err := readFile(fsys, name)
	if err != nil {
		return nil, nil, fmt.Errorf("load scenario: %w", err)
	}
	return data, func(file string) ([]byte, error) {
		return readFile(fsys, path.Join(path.Dir(name), file))
	}, nil
}

// LoadFile is LoadFS for a file of the operating system. Further files are read
// from its directory and no link leads out of that. The problems of an *Error
// name files by the path that was given.
func LoadFile(name string) (s *Scenario, err error) {
	err = inDirectory(name, func(fsys fs.FS, base string) error {
		s, err = LoadFS(fsys, base)
		return err
	})
	return s, err
}

// inDirectory opens the directory of a file and names the problems that fn finds
// by the path that was given.
func inDirectory(name string, fn func(fsys fs.FS, base string) error) (err error) {
	dir, base := filepath.Split(name)
	root, err := os.OpenRoot(filepath.Clean(dir))
	if err != nil {
		return fmt.Errorf("load scenario: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	err = fn(root.FS(), base)
	var problems *Error
	if errors.As(err, &problems) {
		for i := range problems.Problems {
			problems.Problems[i].File = filepath.Join(dir, problems.Problems[i].File)
		}
		return problems
	}
	return err
}

// opener reads a file beside the document by its plain name.
type opener func(file string) ([]byte, error)

// load returns the decoder too, which knows where everything stands.
func load(name string, data []byte, open opener) (*Scenario, *decoder, error) {
	var r report
	d := newDecoder(name, &r, open)
	if !sound(name, data, &r) {
		return nil, nil, r.err()
	}
	root := d.parse(data)
	if root == nil {
		return nil, nil, r.err()
	}
	if onlyParts(root) {
		d.report.add(Problem{File: name, Line: root.Line, Column: root.Column, Message: "has fragments or variants and nothing else: documents include such a file, and are loaded in its place"})
		return nil, nil, r.err()
	}
	s := d.scenario(root)
	check(s, d.place)
	if err := r.err(); err != nil {
		return nil, nil, err
	}
	revision, err := s.digest()
	if err != nil {
		return nil, nil, err
	}
	s.Revision = revision
	return s, d, nil
}

// sound checks what must hold before a file is parsed at all.
func sound(name string, data []byte, r *report) bool {
	if len(data) > MaxBytes {
		r.add(Problem{File: name, Message: fmt.Sprintf("is larger than %d bytes", MaxBytes)})
		return false
	}
	offset, message := byteFault(data)
	if message == "" {
		return true
	}
	before := data[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	r.add(Problem{
		File: name, Line: bytes.Count(before, []byte("\n")) + 1,
		Column: utf8.RuneCount(before[start:]) + 1, Message: message,
	})
	return false
}

// byteFault finds the first byte that no text file holds, and says what it is.
func byteFault(data []byte) (offset int, message string) {
	for i := 0; i < len(data); {
		c := data[i]
		switch {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && size == 1 {
				return i, "is not valid UTF-8 here"
			}
			i += size
			continue
		case c < ' ' && c != '\t' && c != '\n' && c != '\r', c == 0x7f:
			return i, fmt.Sprintf("holds the control character U+%04X here", c)
		}
		i++
	}
	return 0, ""
}

// readFile reads at most a little more than MaxBytes: a larger file is refused
// by its size and never held in memory.
func readFile(fsys fs.FS, name string) (data []byte, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("not a regular file")}
	}
	return io.ReadAll(io.LimitReader(f, MaxBytes+1))
}

// plainName reports whether a file's name stays in its directory on
// every operating system.
func plainName(name string) bool {
	return name != "" && len(name) <= 128 && fs.ValidPath(name) && path.Base(name) == name &&
		!strings.HasPrefix(name, ".") && !strings.ContainsAny(name, `\:`)
}
