package queryimport

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/unmask-eval/unmask/internal/scenario"
)

// maxCauses bounds the causes that are told apart; a cause may name a character.
const maxCauses = 40

// Report says what became of the rows, and what the queries that were kept look
// like. It holds no text of them.
type Report struct {
	// Rows were read, and Kept of them became queries, Controls of which are
	// control queries. Rows = Kept + the rows of LeftOut.
	Rows     int `json:"rows"`
	Kept     int `json:"kept"`
	Controls int `json:"controls"`
	// LeftOut counts the other rows by cause, the most first.
	LeftOut []Cause `json:"leftOut"`
	// SeveritiesDropped counts controls whose severity was dropped: a control
	// asks for nothing harmful.
	SeveritiesDropped int `json:"severitiesDropped"`
	// Words is the length of the texts in words, by white space; zero if none is kept.
	Words Length `json:"words"`
	// Languages, Categories and Severities count the queries, the most first.
	Languages  []Share `json:"languages"`
	Categories []Share `json:"categories"`
	Severities []Share `json:"severities"`
	// LanguageMethod says how languages were told.
	LanguageMethod string `json:"languageMethod"`
}

// Cause is why rows were left out.
type Cause struct {
	Cause string `json:"cause"`
	Rows  int    `json:"rows"`
	// First is the first such row: its line, or its number in a Parquet file.
	First int `json:"first"`
}

// Length is the spread of a length.
type Length struct {
	Min    int     `json:"min"`
	Median float64 `json:"median"`
	Max    int     `json:"max"`
}

// Share is how many queries have a name.
type Share struct {
	Name    string `json:"name"`
	Queries int    `json:"queries"`
}

func (c *collector) leaveOut(cause string, row int) {
	place, ok := c.left[cause]
	if !ok && len(c.report.LeftOut) >= maxCauses {
		cause = "other causes"
		place, ok = c.left[cause]
	}
	if !ok {
		place = len(c.report.LeftOut)
		c.left[cause] = place
		c.report.LeftOut = append(c.report.LeftOut, Cause{Cause: cause, First: row})
	}
	c.report.LeftOut[place].Rows++
}

func (r *Report) describe(queries []scenario.Query) {
	r.Kept = len(queries)
	sort.SliceStable(r.LeftOut, func(i, j int) bool { return r.LeftOut[i].Rows > r.LeftOut[j].Rows })
	languages, categories, severities := map[string]int{}, map[string]int{}, map[string]int{}
	words := make([]int, 0, len(queries))
	for _, q := range queries {
		if q.Control {
			r.Controls++
		}
		words = append(words, len(strings.Fields(q.Text)))
		languages[language(q.Text)]++
		categories[q.Category]++
		if q.Severity != "" {
			severities[string(q.Severity)]++
		}
	}
	r.Languages, r.Categories, r.Severities = shares(languages), shares(categories), shares(severities)
	r.LanguageMethod = languageMethod
	slices.Sort(words)
	if n := len(words); n > 0 {
		r.Words = Length{Min: words[0], Median: float64(words[(n-1)/2]+words[n/2]) / 2, Max: words[n-1]}
	}
}

func shares(counts map[string]int) []Share {
	out := make([]Share, 0, len(counts))
	for name, n := range counts {
		out = append(out, Share{name, n})
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Queries != out[j].Queries {
			return out[i].Queries > out[j].Queries
		}
		return out[i].Name < out[j].Name
	})
	return out
}

// causes is the left-out rows in one line.
func (r Report) causes() string {
	parts := make([]string, len(r.LeftOut))
	for i, c := range r.LeftOut {
		parts[i] = fmt.Sprintf("%s (%d, the first in row %d)", c.Cause, c.Rows, c.First)
	}
	return strings.Join(parts, "; ")
}
