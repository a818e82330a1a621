package queryimport

import (
	"bufio"
	"bytes"
	"io"
	"sort"
	"strings"
)

// The parts of a query, as places in a row.
const (
	partText = iota
	partID
	partCategory
	partSeverity
	partControl
	parts
)

// names are the columns of the parts, in their order.
func (c Columns) names() [parts]string {
	return [parts]string{c.Text, c.ID, c.Category, c.Severity, c.Control}
}

// cell is one part of a row.
type cell struct {
	text string
	// notText says that the value is a list or an object.
	notText bool
}

// row is one row of a data set.
type row struct {
	// number is the line, or the row of a Parquet file, from 1.
	number int
	cells  [parts]cell
	// broken says why the row as a whole cannot be used, or is "".
	broken string
}

// source reads a data set row by row.
type source interface {
	// next returns io.EOF behind the last row.
	next() (row, error)
	// nothing is the error of a file of which no row was kept.
	nothing(Report) error
	close()
}

// open finds out whether the file is what its format says, and begins to read it.
func open(in Input, o Options) (source, error) {
	if o.Format == Parquet {
		return openParquet(in, o)
	}
	b := bufio.NewReaderSize(in.Reader, 64<<10)
	head, err := b.Peek(4)
	if err != nil && len(head) == 0 {
		if err == io.EOF { //nolint:errorlint // bufio returns it bare
			return nil, fail(0, "the file is empty")
		}
		return nil, err
	}
	for magic, what := range map[string]string{
		"PAR1": "a Parquet file", "\x1f\x8b": "compressed with gzip; unpack it first", "\x28\xb5\x2f\xfd": "compressed with zstd; unpack it first",
		"PK\x03\x04": "a ZIP archive, such as a spreadsheet; export it as CSV", "\xff\xfe": "in UTF-16; convert it to UTF-8", "\xfe\xff": "in UTF-16; convert it to UTF-8",
	} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return nil, fail(0, "the file is %s, not %s", what, o.Format)
		}
	}
	if bytes.HasPrefix(head, []byte("\ufeff")) {
		_, _ = b.Discard(len("\ufeff")) // it was peeked at
	}
	if o.Format == JSONL {
		return &jsonlSource{lines: b, columns: o.Columns.names(), seen: map[string]bool{}}, nil
	}
	return openCSV(b, o)
}

// missing is the error for a column that the file does not have.
func missing(column string, known []string) error {
	const most = 20
	sort.Strings(known)
	var shown []string
	for _, name := range known {
		if len(shown) == most {
			shown = append(shown, "...")
			break
		}
		if len(name) > 60 {
			name = strings.ToValidUTF8(name[:60], "") + "..."
		}
		shown = append(shown, quoted(name))
	}
	return fail(0, "there is no column %s; the file has %s", quoted(column), strings.Join(shown, ", "))
}
