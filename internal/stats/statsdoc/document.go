package statsdoc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/unmask-eval/unmask/internal/stats"
)

// MaxBytes is the size of the largest input that is read: about five million
// rows. A larger one is an error rather than a slow death.
const MaxBytes = 512 << 20

// document is the outer shape. Keys that are not listed here are annotations
// and are not looked at.
type document struct {
	SchemaVersion *int                       `json:"schema_version"`
	Type          string                     `json:"type"`
	Config        map[string]json.RawMessage `json:"config"`
	Data          *struct {
		Columns []string        `json:"columns"`
		Rows    json.RawMessage `json:"rows"`
	} `json:"data"`
}

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
// followed by a newline. Errors about the document are *stats.InputError, or
// several of them joined; match with errors.As. On an error nothing is written.
// It is safe for concurrent use.
func Run(r io.Reader, w io.Writer) error {
	raw, err := readAll(r)
	if err != nil {
		return err
	}
	var doc document
	if err := json.Unmarshal(raw, &doc); err != nil {
		return describe(err)
	}
	if doc.SchemaVersion != nil && *doc.SchemaVersion != 1 {
		return fieldError("schema_version", "must be 1, got %d", *doc.SchemaVersion)
	}
	chosen, known := analyses()[doc.Type]
	if !known {
		return fieldError("type", "must be one of %s", typeNames())
	}
	settings, err := newConfig(doc.Config)
	if err != nil {
		return err
	}
	var data *table
	if chosen.needs != nil {
		if doc.Data == nil {
			return fieldError("data", "is required for type %s", doc.Type)
		}
		if data, err = readRows(doc.Data.Columns, doc.Data.Rows, chosen.needs); err != nil {
			return err
		}
	}
	var out object
	if err := chosen.run(data, settings, &out); err != nil {
		return err
	}
	return out.write(w)
}

func readAll(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	if len(raw) > MaxBytes {
		return nil, fieldError("document", "must not exceed %d bytes", MaxBytes)
	}
	return raw, nil
}

// describe turns an error of encoding/json into one that names the place.
func describe(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return fieldError(kind.Field, "must be %s, got %s", jsonKind(kind.Type.Kind().String()), kind.Value)
	case errors.As(err, &kind):
		return fieldError("document", "must be a JSON object, got %s", kind.Value)
	case errors.As(err, &syntax):
		return fieldError("document", "is not valid JSON at byte %d: %v", syntax.Offset, syntax)
	default:
		return fieldError("document", "is not valid JSON: %v", err)
	}
}

func jsonKind(goKind string) string {
	switch goKind {
	case "map", "struct":
		return "an object"
	case "slice":
		return "an array"
	case "string":
		return "a string"
	default:
		return "a number"
	}
}

func fieldError(field, format string, args ...any) error {
	return &stats.InputError{Field: field, Problem: fmt.Sprintf(format, args...)}
}
