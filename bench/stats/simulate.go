package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
)

// tally adds up what happened over the runs of a cell, by name.
type tally map[string]float64

func (t tally) count(name string, happened bool) {
	if happened {
		t[name]++
	}
}

// simulate runs every cell s.runs times and returns the means of its tallies.
// Each run has a generator of its own, derived from the seed, the table, the
// cell and the run, so the order of work does not matter.
func simulate[C any](s settings, table uint64, cells []C, run func(c C, random *rand.Rand, t tally) error) ([]tally, error) {
	out, problems := make([]tally, len(cells)), make([]error, len(cells))
	next := make(chan int)
	var workers sync.WaitGroup
	for range s.workers {
		workers.Go(func() {
			for i := range next {
				out[i], problems[i] = simulateCell(s, table, uint64(i), cells[i], run)
			}
		})
	}
	for i := range cells {
		next <- i
	}
	close(next)
	workers.Wait()
	return out, errors.Join(problems...)
}

func simulateCell[C any](s settings, table, cell uint64, c C, run func(C, *rand.Rand, tally) error) (tally, error) {
	t := make(tally)
	source := rand.NewPCG(0, 0)
	random := rand.New(source) // #nosec G404 -- a simulation wants reproducible numbers, not secret ones
	for r := range s.runs {
		source.Seed(s.seed<<32|table<<24|cell, uint64(r))
		if err := run(c, random, t); err != nil {
			return nil, fmt.Errorf("table %d, cell %d, run %d: %w", table, cell, r, err)
		}
	}
	for name := range t {
		t[name] /= float64(s.runs)
	}
	return t, nil
}

// table is a Markdown table with a heading and a sentence of explanation.
type table struct {
	title, note string
	header      []string
	rows        [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) {
	line := func(cells []string) string { return "| " + strings.Join(cells, " | ") + " |\n" }
	rule := make([]string, len(t.header))
	for i := range rule {
		rule[i] = "---"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n%s\n\n", t.title, t.note)
	b.WriteString(line(t.header))
	b.WriteString(line(rule))
	for _, r := range t.rows {
		b.WriteString(line(r))
	}
	b.WriteString("\n")
	// The writer is buffered: its error comes back from Flush.
	_, _ = io.WriteString(w, b.String())
}

func pct(share float64) string { return fmt.Sprintf("%.3f", share) }
