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

// readTable reads the rows of a document one by one. encoding/json finds where
// a row ends and that it is valid JSON; the cursor reads its values without
// allocating for each.
func (d *document) readTable(in *json.Decoder) error {
	columns, err := newLayout(d.columns, d.chosen.needs, "data.columns")
	if err != nil {
		return err
	}
	if err := enter(in, "data.rows", '[', "an array of rows"); err != nil {
		return err
	}
	t := newTable(jsonRow)
	var raw json.RawMessage
	for i := 0; in.More(); i++ {
		if err := in.Decode(&raw); err != nil {
			return describe(jsonRow(i), err)
		}
		r := row{score: math.NaN(), reasoning: -1}
		if err := t.readRow(&cursor{data: raw}, columns, &r, i); err != nil {
			return err
		}
		t.add(r)
	}
	if _, err := in.Token(); err != nil {
		return describe("data.rows", err)
	}
	d.table = t
	return t.finish()
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
