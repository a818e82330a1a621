package statsdoc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// document is what was read of a document. Keys that are not known here are
// annotations and are not looked at.
type document struct {
	kind    string
	chosen  analysis
	config  map[string]json.RawMessage
	columns []string
	rows    json.RawMessage // of a document whose rows stand too early
	table   *table
}

// bounded reads at most MaxBytes and fails where a plain limit would end.
type bounded struct {
	r    io.Reader
	left int64
}

func newBounded(r io.Reader) *bounded { return &bounded{r: r, left: MaxBytes} }

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return 0, fieldError("document", "must not exceed %d bytes", MaxBytes)
	}
	return n, err
}

func readDocument(r io.Reader) (*document, error) {
	in := json.NewDecoder(newBounded(r))
	doc := &document{}
	if err := enter(in, "document", '{', "a JSON object"); err != nil {
		return nil, err
	}
	if err := eachKey(in, "", doc.read(in)); err != nil {
		return nil, err
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = &json.SyntaxError{Offset: in.InputOffset()}
		}
		return nil, describe("document", err)
	}
	if doc.chosen.run == nil {
		return nil, fieldError("type", "must be one of %s", typeNames())
	}
	if doc.chosen.needs == nil || doc.rows == nil {
		return doc, nil
	}
	late := json.NewDecoder(strings.NewReader(string(doc.rows)))
	return doc, doc.readTable(late)
}

// read returns the reader of the values of a document's keys.
func (d *document) read(in *json.Decoder) map[string]func() error {
	return map[string]func() error{
		"schema_version": func() error {
			version := 1
			if err := decode(in, "schema_version", &version); err != nil {
				return err
			}
			if version != 1 {
				return fieldError("schema_version", "must be 1, got %d", version)
			}
			return nil
		},
		"type": func() error {
			if err := decode(in, "type", &d.kind); err != nil {
				return err
			}
			var known bool
			if d.chosen, known = analyses()[d.kind]; !known {
				return fieldError("type", "must be one of %s", typeNames())
			}
			return nil
		},
		"config": func() error { return decode(in, "config", &d.config) },
		"data":   func() error { return d.readData(in) },
	}
}

func (d *document) readData(in *json.Decoder) error {
	opened, err := in.Token()
	switch {
	case err != nil:
		return describe("document", err)
	case opened == nil:
		return nil
	case opened != json.Delim('{'):
		return fieldError("data", "must be an object")
	}
	seen := false
	err = eachKey(in, "data.", map[string]func() error{
		"columns": func() error { return decode(in, "data.columns", &d.columns) },
		"rows": func() error {
			seen = true
			if d.chosen.needs == nil || d.columns == nil {
				return decode(in, "data.rows", &d.rows)
			}
			return d.readTable(in)
		},
	})
	if err == nil && !seen {
		return fieldError("data.rows", "must be an array of rows")
	}
	return err
}

// eachKey walks an object that was entered and leaves it. Keys without a reader
// are skipped, and one that comes twice is an error.
func eachKey(in *json.Decoder, prefix string, readers map[string]func() error) error {
	seen := make(map[string]bool)
	for in.More() {
		token, err := in.Token()
		if err != nil {
			return describe("document", err)
		}
		key, _ := token.(string)
		read, known := readers[key]
		if !known {
			var annotation json.RawMessage
			read = func() error { return decode(in, "document", &annotation) }
		} else if seen[key] {
			return fieldError(prefix+key, "is given twice")
		}
		seen[key] = true
		if err := read(); err != nil {
			return err
		}
	}
	if _, err := in.Token(); err != nil {
		return describe("document", err)
	}
	return nil
}

func enter(in *json.Decoder, field string, delimiter json.Delim, wanted string) error {
	token, err := in.Token()
	if err != nil {
		return describe(field, err)
	}
	if token != delimiter {
		return fieldError(field, "must be %s", wanted)
	}
	return nil
}

func decode(in *json.Decoder, field string, into any) error {
	if err := in.Decode(into); err != nil {
		return describe(field, err)
	}
	return nil
}

// describe turns an error of encoding/json into one that names the place, and
// leaves an error of the reader alone.
func describe(field string, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind):
		return fieldError(field, "must be %s, got %s", jsonKind(kind.Type.Kind().String()), kind.Value)
	case errors.As(err, &syntax):
		return fieldError("document", "is not valid JSON at byte %d: %v", syntax.Offset, syntax)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fieldError("document", "is not valid JSON: it ends too early")
	default:
		return fmt.Errorf("read document: %w", err)
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
