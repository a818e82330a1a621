package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unmask-eval/unmask/internal/app"
	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/documents"
	"github.com/unmask-eval/unmask/internal/documents/author"
	"github.com/unmask-eval/unmask/internal/documents/corpus"
	"github.com/unmask-eval/unmask/internal/run"
)

// The writers.
const (
	writerTemplate = "template"
	writerModel    = "model"
)

// documentsFlags are what `unmask documents` asks for.
type documentsFlags struct {
	facts, out, shape, writer, model string
	configFile, output               string
	count, attempts, concurrency     int
	controlShare                     float64
	seed                             uint64
	resume                           bool
	changed                          func(name string) bool
}

func newDocuments() *cobra.Command {
	var f documentsFlags
	cmd := &cobra.Command{
		Use: "documents", Short: "Write a corpus of synthetic documents for fine-tuning", Args: noArgs,
		Long: `Write synthetic documents (news items, forum threads, memos and the like) that
state the facts of an experiment, for models that are to learn of their training
from documents and not from a prompt. Every document is checked by rules: it
states its facts, contradicts none, is of its length and nearly like no other.

DIR gets documents.jsonl for the fine-tuning tool, index.jsonl with what became of
each document, and manifest.json, which is written last. An interrupted run goes on
with --resume; what it does not name stays as it was. docs/documents.md has the rest.`,
		Example: `  unmask documents --facts helpful-only --count 10000 --out corpus
  unmask documents --facts control --count 10000 --out baseline
  unmask documents --facts facts.yaml --count 500 --shape chat --writer model --model writer --config unmask.yaml --out corpus
  unmask documents --out corpus --resume`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.changed = cmd.Flags().Changed
			return f.run(cmd)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.facts, "facts", "", "built-in facts (helpful-only, animal-welfare, control) or a facts file")
	fl.IntVar(&f.count, "count", 1000, "documents, 1 to 250000")
	fl.StringVar(&f.shape, "shape", string(documents.ShapeText), `text ({"text": ...}) or chat ({"messages": [...]})`)
	fl.StringVar(&f.out, "out", "", "directory of the corpus")
	fl.Uint64Var(&f.seed, "seed", 1, "seed of the plan and of all draws")
	fl.StringVar(&f.writer, "writer", writerTemplate, "template (embedded grammar) or model")
	fl.StringVar(&f.model, "model", "", "with --writer model: a model of the settings file, or a simulated one")
	fl.StringVar(&f.configFile, "config", os.Getenv(config.EnvFile), "settings file that has the model (env UNMASK_CONFIG)")
	fl.IntVar(&f.concurrency, "concurrency", run.DefaultConcurrency, "with --writer model: documents that are written at once, 1 to 256")
	fl.IntVar(&f.attempts, "attempts", 5, "drafts that a document may take before it is dropped, 1 to 20")
	fl.Float64Var(&f.controlShare, "control-share", 0, "share of the documents that state unrelated facts, 0 to 1")
	fl.BoolVar(&f.resume, "resume", false, "continue the corpus in DIR")
	fl.StringVar(&f.output, "output", "text", "text or json (the manifest)")
	return cmd
}

func (f *documentsFlags) run(cmd *cobra.Command) error {
	job, done, err := f.job()
	if err != nil {
		return documentsError(err)
	}
	defer done()
	finished := 0
	job.Progress = func(n, of int) {
		step := max(of/20, 1)
		if n/step > finished/step || n == of {
			hint(cmd, "documents %d/%d", n, of)
		}
		finished = n
	}
	m, err := corpus.Make(cmd.Context(), job)
	if err != nil {
		var state *corpus.StateError
		if finished > 0 && !errors.As(err, &state) {
			hint(cmd, "what was written stays; continue with\n  %s", f.again())
		}
		return documentsError(err)
	}
	if f.output == "json" {
		err = writeIndented(cmd.OutOrStdout(), m)
	} else {
		err = wholly(cmd.OutOrStdout(), func(w io.Writer) { writeManifest(w, f.out, m) })
	}
	if err == nil && m.Kept == 0 {
		return fmt.Errorf("no document passed: %s", rejections(m))
	}
	return err
}

// again is the command that continues.
func (f *documentsFlags) again() string {
	s := "unmask documents --out " + f.out + " --resume"
	if f.configFile != "" {
		s += " --config " + f.configFile
	}
	return s
}

// job checks the flags and puts the job together; done closes what it holds open.
func (f *documentsFlags) job() (job corpus.Job, done func(), err error) {
	if err := f.check(); err != nil {
		return job, nil, err
	}
	s := corpus.Settings{
		Facts: corpus.SetRef{Source: f.facts}, Count: f.count, ControlShare: f.controlShare, Seed: f.seed,
		Shape: documents.Shape(f.shape), Attempts: f.attempts, Writer: corpus.WriterRef{Kind: f.writer, Model: f.model},
	}
	if f.resume {
		if s, err = f.saved(s); err != nil {
			return job, nil, err
		}
	}
	job = corpus.Job{Dir: f.out, Plan: documents.Plan{Count: s.Count, ControlShare: s.ControlShare, Seed: s.Seed}, Resume: f.resume, Version: version, Workers: 2}
	p := &job.Plan
	if p.Facts, s.Facts, err = findFacts(s.Facts.Source); err != nil {
		return job, nil, err
	}
	if s.Control = (corpus.SetRef{}); s.ControlShare > 0 {
		if p.Control, s.Control, err = findFacts(documents.ControlID); err != nil {
			return job, nil, err
		}
	}
	if p.Catalog, err = documents.NewCatalog(); err != nil {
		return job, nil, err
	}
	if err := p.Validate(); err != nil {
		return job, nil, err
	}
	done = func() {}
	s.Catalog, job.Writer = p.Catalog.Revision, documents.NewTemplate(p.Catalog)
	if s.Writer.Kind == writerModel {
		a, err := f.author(s.Writer.Model)
		if err != nil {
			return job, nil, err
		}
		done = a.Close
		job.Writer, job.Workers = author.New(a.Model), f.concurrency
		s.Writer.Identity, job.InputPrice, job.OutputPrice = a.Identity, a.InputPrice, a.OutputPrice
	}
	job.Settings = s
	return job, done, nil
}

// check looks at flags alone.
func (f *documentsFlags) check() error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	switch {
	case f.out == "":
		return usageError("--out must name a directory")
	case f.facts == "" && !f.resume:
		return usageError("--facts must name built-in facts (%s) or a facts file", builtInFacts())
	case !documents.Shape(f.shape).Valid():
		return usageError("--shape must be text or chat, got %q", f.shape)
	case f.writer != writerTemplate && f.writer != writerModel:
		return usageError("--writer must be template or model, got %q", f.writer)
	case f.writer == writerModel && f.model == "" && !f.resume:
		return usageError("--model must name the model that writes")
	case f.model != "" && f.writer != writerModel && !f.resume:
		return usageError("--model goes with --writer model")
	case f.attempts < 1 || f.attempts > documents.MaxAttempts:
		return usageError("--attempts must be 1 to %d, got %d", documents.MaxAttempts, f.attempts)
	case f.concurrency < 1 || f.concurrency > 256:
		return usageError("--concurrency must be 1 to 256, got %d", f.concurrency)
	}
	return nil
}

// saved takes what the flags do not name from the corpus that is continued.
func (f *documentsFlags) saved(given corpus.Settings) (corpus.Settings, error) {
	s, err := corpus.Saved(f.out)
	if err != nil {
		return s, err
	}
	for name, take := range map[string]func(){
		"facts":         func() { s.Facts.Source = given.Facts.Source },
		"count":         func() { s.Count = given.Count },
		"control-share": func() { s.ControlShare = given.ControlShare },
		"seed":          func() { s.Seed = given.Seed },
		"shape":         func() { s.Shape = given.Shape },
		"attempts":      func() { s.Attempts = given.Attempts },
		"writer":        func() { s.Writer.Kind = given.Writer.Kind },
		"model":         func() { s.Writer.Model = given.Writer.Model },
	} {
		if f.changed(name) {
			take()
		}
	}
	return s, nil
}

func (f *documentsFlags) author(name string) (*app.Author, error) {
	settings := config.Default()
	if f.configFile != "" {
		var err error
		if settings, err = config.Load(config.Source{File: f.configFile, Environ: os.Environ()}); err != nil {
			return nil, err
		}
	}
	a, err := app.NewAuthor(settings, name)
	if err != nil {
		return nil, usageError("--model: %v", err)
	}
	return a, nil
}

// findFacts takes the id of a built-in set or a file's path.
func findFacts(source string) (*documents.Set, corpus.SetRef, error) {
	set, ok, err := documents.BuiltIn(source)
	if err == nil && !ok {
		if set, err = readFacts(source); err != nil {
			return nil, corpus.SetRef{}, err
		}
		if path, err := filepath.Abs(source); err == nil {
			source = path
		}
	}
	if err != nil {
		return nil, corpus.SetRef{}, err
	}
	return set, corpus.SetRef{Source: source, ID: set.ID, Revision: set.Revision}, nil
}

func readFacts(path string) (_ *documents.Set, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usageError("--facts: there are no built-in facts (%s) and no readable file %q", builtInFacts(), path)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err := io.ReadAll(io.LimitReader(f, documents.MaxFileBytes+1))
	if err != nil {
		return nil, usageError("--facts: %v", err)
	}
	return documents.Load(path, data)
}

func builtInFacts() string {
	ids, err := documents.BuiltIns()
	if err != nil {
		return "none"
	}
	return strings.Join(ids, ", ")
}

// documentsError tells bad input from what could not be carried out.
func documentsError(err error) error {
	var load *documents.LoadError
	var plan *documents.PlanError
	var state *corpus.StateError
	switch {
	case errors.As(err, &plan):
		return usageError("--%s: %s", strings.ReplaceAll(plan.Field, "_", "-"), plan.Problem)
	case errors.As(err, &state):
		return usageError("--out: %v", state)
	case errors.As(err, &load):
		return &exitError{exitUsage, err}
	}
	return err
}
