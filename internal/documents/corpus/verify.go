package corpus

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// describe counts and digests a file.
func describe(path string) (f File, err error) {
	file, err := os.Open(path)
	if err != nil {
		return File{}, fmt.Errorf("digest the corpus: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	sum := sha256.New()
	buf := make([]byte, 64<<10)
	for {
		n, err := file.Read(buf)
		sum.Write(buf[:n])
		f.Bytes += int64(n)
		f.Lines += bytes.Count(buf[:n], []byte{'\n'})
		if errors.Is(err, io.EOF) {
			f.Digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
			return f, nil
		}
		if err != nil {
			return File{}, fmt.Errorf("digest the corpus: %w", err)
		}
	}
}

// Verify reads the manifest of a complete corpus and compares its files with it.
// The error is a *StateError where they differ or there is no manifest.
func Verify(dir string) (*Manifest, error) {
	var m Manifest
	if err := readJSON(filepath.Join(dir, ManifestFile), &m); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, &StateError{dir, "has no " + ManifestFile + ", so it is not complete"}
		}
		return nil, err
	}
	if m.Format != ManifestFormat || len(m.Files) != 2 {
		return nil, &StateError{dir, "has a " + ManifestFile + " of another format than " + ManifestFormat}
	}
	for i, name := range []string{DocumentsFile, IndexFile} {
		got, err := describe(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if got.Name = name; got != m.Files[i] {
			return nil, &StateError{dir, "has a " + name + " that is not the one of its manifest"}
		}
	}
	return &m, nil
}
