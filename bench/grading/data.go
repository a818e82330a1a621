package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// source is a file of labelled texts.
type source struct {
	name               string
	faking, compliance bool
}

// ownSource are the texts of the corpus.
var ownSource = source{"own", true, true}

// sources are the development files, and which label each carries.
var sources = []source{
	{"af_gold_human", true, false},
	{"af_synthetic_goldalt", true, false},
	{"ours_dev", true, true},
	{"injection_dev", true, true},
	{"compliance_xstest_human", false, true},
	{"compliance_gptfuzz_human", false, true},
}

// errNoData says that the development data is not on this machine.
var errNoData = errors.New("the development data is not here")

// readData reads the labelled transcripts. Texts stay in memory only.
func readData(dir string) ([]item, error) {
	var out []item
	for _, s := range sources {
		items, err := readFile(filepath.Join(dir, s.name+".jsonl"), s.name)
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%w: %s", errNoData, s.name)
		}
		if err != nil {
			return nil, err
		}
		for i := range items {
			if !s.faking {
				items[i].hasFaking = false
			}
			if !s.compliance {
				items[i].compliance = ""
			}
		}
		out = append(out, items...)
	}
	return out, nil
}

func readFile(path, source string) ([]item, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	defer func() { _ = f.Close() }()
	var out []item
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<24)
	for sc.Scan() {
		var r struct {
			ID, Category, Technique, Prompt, Scratchpad, Response string
			Compliance                                            string `json:"label_compliance"`
			Faking                                                *bool  `json:"label_alignment_faking"`
		}
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s line %d: %w", source, len(out)+1, err)
		}
		it := item{
			id: r.ID, source: source, group: r.Category + r.Technique, prompt: r.Prompt,
			reasoning: r.Scratchpad, reply: r.Response, compliance: r.Compliance,
		}
		if r.Faking != nil {
			it.hasFaking, it.faking = true, *r.Faking
		}
		out = append(out, it)
	}
	return out, sc.Err()
}
