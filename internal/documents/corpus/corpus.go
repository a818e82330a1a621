// Package corpus keeps a corpus of documents in a directory: while it is being
// made, so that a run which was interrupted continues where it stopped, and when it
// is done, with a manifest that says what is in it.
//
//	plan.json              what was asked for; there from the beginning
//	documents.jsonl.part   documents so far, one a line
//	index.jsonl.part       what became of each document of the plan, one a line
//
// The two files grow together, a document first and then its line of the index.
// Whatever a crash leaves, Open goes back to the last line up to which they agree.
// In the end they lose their ".part", manifest.json is written, and plan.json goes:
// a directory with a manifest is complete.
package corpus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/unmask-eval/unmask/internal/documents"
)

// The names of the files.
const (
	DocumentsFile = "documents.jsonl"
	IndexFile     = "index.jsonl"
	ManifestFile  = "manifest.json"
	planFile      = "plan.json"
	lockFile      = ".lock"
	part          = ".part"
)

// Settings are everything that determines a corpus. They are kept with it, and a
// run is only continued under the same.
type Settings struct {
	// Facts and Control are the sets, Control empty without one.
	Facts   SetRef `json:"facts"`
	Control SetRef `json:"control"`
	// Count, ControlShare and Seed are those of the plan.
	Count        int     `json:"count"`
	ControlShare float64 `json:"controlShare"`
	Seed         uint64  `json:"seed,string"`
	// Shape is the form of the lines.
	Shape documents.Shape `json:"shape"`
	// Attempts is how many drafts a document may take.
	Attempts int `json:"attempts"`
	// Writer is who writes.
	Writer WriterRef `json:"writer"`
	// Catalog is the revision of types and grammar.
	Catalog string `json:"catalog"`
}

// SetRef pins a set of facts.
type SetRef struct {
	// Source is the id of a built-in set, or the path that was given.
	Source   string `json:"source"`
	ID       string `json:"id"`
	Revision string `json:"revision"`
}

// WriterRef pins a writer.
type WriterRef struct {
	// Kind is template or model.
	Kind string `json:"kind"`
	// Model is the name of the model, "" for the template.
	Model string `json:"model,omitempty"`
	// Identity is a digest of the model's endpoint and id.
	Identity string `json:"identity,omitempty"`
}

// Differs names the first setting that differs, in the words of the command line,
// or returns "".
func (s Settings) Differs(o Settings) string {
	switch {
	case s.Facts.ID != o.Facts.ID || s.Facts.Revision != o.Facts.Revision:
		return "facts"
	case s.Control.Revision != o.Control.Revision:
		return "control facts"
	case s.Count != o.Count:
		return "count"
	case s.ControlShare != o.ControlShare:
		return "control-share"
	case s.Seed != o.Seed:
		return "seed"
	case s.Shape != o.Shape:
		return "shape"
	case s.Attempts != o.Attempts:
		return "attempts"
	case s.Writer.Kind != o.Writer.Kind:
		return "writer"
	case s.Writer != o.Writer:
		return "model"
	case s.Catalog != o.Catalog:
		return "version of the document types"
	}
	return ""
}

// StateError says that a directory is not in the state that was asked for.
type StateError struct{ Dir, Problem string }

// Error implements error.
func (e *StateError) Error() string { return e.Dir + " " + e.Problem }

// Saved reads the settings of the corpus in a directory, finished or not. The
// error is a *StateError where there is none.
func Saved(dir string) (Settings, error) {
	var m struct {
		Settings Settings `json:"settings"`
	}
	err := readJSON(filepath.Join(dir, ManifestFile), &m)
	if errors.Is(err, os.ErrNotExist) {
		err = readJSON(filepath.Join(dir, planFile), &m.Settings)
	}
	if errors.Is(err, os.ErrNotExist) {
		return Settings{}, &StateError{dir, "holds no corpus that could be continued"}
	}
	return m.Settings, err
}

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// Job is a corpus to make.
type Job struct {
	Dir      string
	Settings Settings
	Plan     documents.Plan
	Writer   documents.Writer
	Workers  int
	// Resume continues what is there; without it the directory must hold no corpus.
	Resume bool
	// Version is the program's, for the manifest.
	Version string
	// Prices are those of a million tokens, in and out; nil where not known.
	InputPrice, OutputPrice *float64
	// Progress, if set, is told how many documents of the plan are done.
	Progress func(done, of int)
}

// Make makes the corpus, or continues it, and returns its manifest. A corpus that
// is complete is only verified. Errors about the state of the directory are
// *StateError.
func Make(ctx context.Context, job Job) (m *Manifest, err error) {
	if job.Resume {
		if done, err := finished(job); done != nil || err != nil {
			return done, err
		}
	}
	d, err := open(job)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	known := documents.NewDuplicates()
	from, err := d.recover(job.Plan, known)
	if err != nil {
		return nil, err
	}
	progress := job.Progress
	if progress == nil {
		progress = func(int, int) {}
	}
	progress(from, job.Plan.Count)
	opts := documents.Options{Workers: job.Workers, Attempts: job.Settings.Attempts}
	err = documents.Make(ctx, job.Plan, job.Writer, from, known, opts, func(r documents.Result) error {
		defer progress(r.Brief.Index+1, job.Plan.Count)
		return d.keep(r)
	})
	if err != nil {
		return nil, err
	}
	return d.finish(job)
}

// finished returns the manifest of a complete corpus, after a look at its files,
// or nil.
func finished(job Job) (*Manifest, error) {
	if _, err := os.Stat(filepath.Join(job.Dir, ManifestFile)); err != nil {
		return nil, nil //nolint:nilerr,nilnil // not there: not finished
	}
	m, err := Verify(job.Dir)
	if err != nil {
		return nil, err
	}
	if field := m.Settings.Differs(job.Settings); field != "" {
		return nil, &StateError{job.Dir, "holds a complete corpus with another " + field}
	}
	return m, nil
}
