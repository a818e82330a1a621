package statsdoc

import (
	"encoding/json"
	"math"
)

// layout says which column stands where; -1 marks one that is not read.
type layout []column

// newLayout matches the header of a table with the columns that an analysis
// reads.
func newLayout(header []string, needs []column, field string) (layout, error) {
	var at [columnCount]int
	out := make(layout, len(header))
	for i, name := range header {
		out[i] = -1
		for _, c := range needs {
			if name != columnNames[c] {
				continue
			}
			if at[c] > 0 {
				return nil, fieldError(field, "column %s is listed twice", name)
			}
			at[c], out[i] = i+1, c
		}
	}
	for _, c := range needs {
		if at[c] == 0 {
			return nil, fieldError(field, "column %s is missing", columnNames[c])
		}
	}
	return out, nil
}

// readRows reads the rows of a document, which encoding/json has found to be
// valid JSON.
func readRows(header []string, raw json.RawMessage, needs []column) (*table, error) {
	columns, err := newLayout(header, needs, "data.columns")
	if err != nil {
		return nil, err
	}
	in := cursor{data: raw}
	if !in.open() {
		return nil, fieldError("data.rows", "must be an array of rows")
	}
	t := newTable(jsonRow)
	for i := 0; in.more(); i++ {
		r := row{score: math.NaN(), reasoning: -1}
		if err := t.readRow(&in, columns, &r, i); err != nil {
			return nil, err
		}
		t.add(r)
	}
	return t, t.finish()
}

func jsonRow(i int) string { return "data.rows" + index(i) }

func (t *table) readRow(in *cursor, columns layout, r *row, i int) error {
	if !in.open() {
		return fieldError(jsonRow(i), "must be an array of %d values", len(columns))
	}
	for _, c := range columns {
		if !in.more() {
			return fieldError(jsonRow(i), "must hold %d values", len(columns))
		}
		v, ok := in.value()
		switch {
		case c < 0:
		case !ok:
			return fieldError(jsonRow(i)+"."+columnNames[c], "is out of range")
		default:
			if problem := t.set(r, c, v); problem != "" {
				return fieldError(jsonRow(i)+"."+columnNames[c], "%s", problem)
			}
		}
	}
	if in.more() {
		return fieldError(jsonRow(i), "must hold %d values", len(columns))
	}
	return nil
}
