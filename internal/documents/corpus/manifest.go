package corpus

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/unmask-eval/unmask/internal/documents"
)

// ManifestFormat names the form of the manifest.
const ManifestFormat = "unmask.documents/v1"

// Manifest says what a corpus is, how it was made and what is in it. Counts are of
// documents where nothing else is said.
type Manifest struct {
	Format string `json:"format"`
	// Version is that of the program that finished it.
	Version  string   `json:"version"`
	Settings Settings `json:"settings"`
	// Planned = Kept + Dropped; Control is part of Kept.
	Planned int `json:"planned"`
	Kept    int `json:"kept"`
	Dropped int `json:"dropped"`
	Control int `json:"control"`
	// Rewritten are kept documents that took more than one draft.
	Rewritten int `json:"rewritten"`
	Words     int `json:"words"`
	// Rejected counts the problems of drafts that were turned down, dropped
	// documents included; a draft may have several.
	Rejected map[documents.Code]int `json:"rejected"`
	// Kept documents by type, by viewpoint, by length, by fact that they state
	// (Facts, ControlFacts), and by how many planned facts they have.
	Types        map[string]int `json:"types"`
	Viewpoints   map[string]int `json:"viewpoints"`
	Lengths      map[string]int `json:"lengths"`
	Facts        map[string]int `json:"facts"`
	ControlFacts map[string]int `json:"controlFacts"`
	PlannedFacts map[string]int `json:"plannedFacts"`
	// NearDuplicates is the measure by which no two kept documents are alike.
	NearDuplicates Measure `json:"nearDuplicates"`
	Usage          Usage   `json:"usage"`
	Files          []File  `json:"files"`
}

// Measure says how likeness is measured.
type Measure struct {
	Measure   string  `json:"measure"`
	Shingle   int     `json:"shingleWords"`
	Threshold float64 `json:"threshold"`
}

// Usage is what all drafts of a corpus cost, but for those that an interruption
// lost on their way.
type Usage struct {
	documents.Usage
	// Price by the model's configured prices; nil where one is not known.
	Price *float64 `json:"price"`
}

// File pins a file of the corpus.
type File struct {
	Name   string `json:"name"`
	Lines  int    `json:"lines"`
	Bytes  int64  `json:"bytes"`
	Digest string `json:"digest"`
}

// manifest reads the index and both files once more.
func (d *directory) manifest(job Job) (*Manifest, error) {
	m := &Manifest{
		Format: ManifestFormat, Version: job.Version, Settings: job.Settings,
		Rejected: map[documents.Code]int{}, Types: map[string]int{}, Viewpoints: map[string]int{}, Lengths: map[string]int{},
		Facts: map[string]int{}, ControlFacts: map[string]int{}, PlannedFacts: map[string]int{},
		NearDuplicates: Measure{"Jaccard similarity of sets of following words, from the threshold on", documents.Shingle, documents.NearDuplicateAt},
	}
	// A fact that no document states has to show.
	for _, f := range job.Plan.Facts.Facts {
		m.Facts[f.ID] = 0
	}
	if _, err := d.index.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the index: %w", err)
	}
	for r := bufio.NewReaderSize(d.index, 64<<10); ; {
		line, ok, err := readLine(r)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("read the index: %w", err)
		}
		m.count(e)
	}
	if in, out := job.InputPrice, job.OutputPrice; in != nil && out != nil {
		price := (float64(m.Usage.InputTokens)**in + float64(m.Usage.OutputTokens)**out) / 1e6
		m.Usage.Price = &price
	}
	for _, name := range []string{DocumentsFile, IndexFile} {
		f, err := describe(d.path(name + part))
		if err != nil {
			return nil, err
		}
		f.Name = name
		m.Files = append(m.Files, f)
	}
	return m, nil
}

func (m *Manifest) count(e Entry) {
	m.Planned++
	m.Usage.Add(e.Usage)
	for _, code := range e.Rejected {
		m.Rejected[code]++
	}
	if !e.Kept {
		m.Dropped++
		return
	}
	m.Kept++
	m.Words += e.Words
	facts := m.Facts
	if e.Control {
		m.Control++
		facts = m.ControlFacts
	}
	if e.Attempts > 1 {
		m.Rewritten++
	}
	m.Types[e.Type]++
	m.Viewpoints[e.Viewpoint]++
	m.Lengths[e.Length]++
	m.PlannedFacts[strconv.Itoa(len(e.Facts))]++
	for _, id := range e.States {
		facts[id]++
	}
}
