package queryimport

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// errRecordTooLarge ends the reading of a row that does not end.
var errRecordTooLarge = errors.New("record too large")

// budget lets a reader read no more than what one record may have. The CSV
// reader holds a record as a whole, and one quote that is not closed makes a
// record of all that follows.
type budget struct {
	r    io.Reader
	left int
}

// Read implements io.Reader.
func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errRecordTooLarge
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

type csvSource struct {
	budget *budget
	reader *csv.Reader
	fields int
	// line is that of the last row which was read.
	line    int
	columns [parts]int
}

func openCSV(r io.Reader, o Options) (source, error) {
	b := &budget{r: r, left: MaxRecordBytes}
	s := &csvSource{budget: b, reader: csv.NewReader(b)}
	s.reader.Comma, s.reader.ReuseRecord, s.reader.FieldsPerRecord = o.Delimiter, true, -1
	header, err := s.reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, fail(0, "the file is empty")
	}
	if err != nil {
		return nil, s.problem(err)
	}
	if len(header) > MaxColumns {
		return nil, fail(1, "the header has %d columns; at most %d are read", len(header), MaxColumns)
	}
	s.fields, s.line = len(header), 1
	places := map[string]int{}
	for i, name := range header {
		if _, twice := places[name]; twice && wanted(o.Columns, name) {
			return nil, fail(1, "the column %s stands twice", quoted(name))
		}
		places[name] = i
	}
	for part, name := range o.Columns.names() {
		place, ok := places[name]
		switch {
		case name == "":
			place = -1
		case !ok && len(header) == 1 && strings.ContainsAny(header[0], ";\t|"):
			return nil, fail(1, "the header is one column; is another character than %q between the fields? Name it with --delimiter", o.Delimiter)
		case !ok:
			return nil, missing(name, append([]string(nil), header...))
		}
		s.columns[part] = place
	}
	return s, nil
}

func wanted(c Columns, name string) bool {
	for _, column := range c.names() {
		if column != "" && column == name {
			return true
		}
	}
	return false
}

func (s *csvSource) next() (row, error) {
	s.budget.left = MaxRecordBytes
	record, err := s.reader.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return row{}, io.EOF
		}
		return row{}, s.problem(err)
	}
	s.line, _ = s.reader.FieldPos(0)
	r := row{number: s.line}
	if len(record) != s.fields {
		r.broken = "another number of fields than the header"
		return r, nil
	}
	for part, place := range s.columns {
		if place >= 0 {
			// The record's memory is used again, and a field is cut from all of it.
			r.cells[part] = cell{text: strings.Clone(record[place])}
		}
	}
	return r, nil
}

// problem turns an error of the CSV reader into one that says what to do.
func (s *csvSource) problem(err error) error {
	var parse *csv.ParseError
	switch {
	case errors.Is(err, errRecordTooLarge):
		return fail(s.line, "the row behind this one has more than %d bytes; is a quote not closed?", MaxRecordBytes)
	case !errors.As(err, &parse):
		return err
	case errors.Is(parse.Err, csv.ErrQuote):
		return fail(parse.StartLine, "a quoted field does not end as it should in line %d, column %d: a quote inside is written twice, and a delimiter follows the last one", parse.Line, parse.Column)
	case errors.Is(parse.Err, csv.ErrBareQuote):
		return fail(parse.StartLine, "a quote stands in a field that does not begin with one, in line %d, column %d", parse.Line, parse.Column)
	default:
		return fail(parse.StartLine, "is not CSV: %v", parse.Err)
	}
}

func (s *csvSource) nothing(r Report) error { return nothing(r) }

func (s *csvSource) close() {}

// nothing is the error of a file of which no row was kept.
func nothing(r Report) error {
	if r.Rows == 0 {
		return fail(0, "the file has no rows")
	}
	return fail(0, "none of %d rows can be used: %s", r.Rows, r.causes())
}

// quoted is a name from a file in an error.
func quoted(name string) string {
	if len(name) > 60 || !utf8.ValidString(name) {
		return "with a long or damaged name"
	}
	return fmt.Sprintf("%q", name)
}
