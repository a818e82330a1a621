package statsdoc

import (
	"fmt"
	"io"

	"github.com/unmask-eval/unmask/internal/stats"
)

// MaxBytes is the size of the largest input that is read: about five million
// rows. A larger one is an error rather than a slow death.
const MaxBytes = 512 << 20

// analysis computes one type of document. needs lists the columns that its
// table must have, nil for a document without data.
type analysis struct {
	needs []column
	run   func(t *table, c *config, out *object) error
}

var baseColumns = []column{colPrompt, colCondition, colSample, colLabel, colReasoning}

func with(extra ...column) []column {
	return append(append([]column(nil), baseColumns...), extra...)
}

// analyses maps the type of a document to its analysis.
func analyses() map[string]analysis {
	return map[string]analysis{
		"paired_gap":   {baseColumns, pairedGap},
		"af_rates":     {baseColumns, reasoningRates},
		"paired_table": {baseColumns, pairedTable},
		"permutation":  {baseColumns, permutation},
		"gate":         {baseColumns, gate},
		"multiplicity": {nil, multiplicity},
		"did":          {with(colCheckpoint), gapChange},
		"sequential":   {baseColumns, sequential},
		"rogan_gladen": {baseColumns, roganGladen},
		"ppi":          {with(colHuman), predictionPowered},
		"audit":        {with(colHuman), audit},
		"agreement":    {with(colHuman, colScore), agreement},
		"power":        {nil, power},
		"trend":        {with(colStep), trend},
		"bootstrap":    {baseColumns, bootstrap},
	}
}

// Run reads one JSON document from r and writes one flat JSON object to w,
// followed by a newline. Rows are consumed as they come if type and columns
// stand before them; in any other order they are kept in memory first. Errors
// about the document are *stats.InputError, or several of them joined; match
// with errors.As. On an error nothing is written. It is safe for concurrent use.
func Run(r io.Reader, w io.Writer) error {
	doc, err := readDocument(r)
	if err != nil {
		return err
	}
	settings, err := newConfig(doc.config)
	if err != nil {
		return err
	}
	if doc.chosen.needs != nil && doc.table == nil {
		return fieldError("data", "is required for type %s", doc.kind)
	}
	var out object
	if err := doc.chosen.run(doc.table, settings, &out); err != nil {
		return err
	}
	return out.write(w)
}

func fieldError(field, format string, args ...any) error {
	return &stats.InputError{Field: field, Problem: fmt.Sprintf(format, args...)}
}
