// Package queryimport makes the queries of a scenario from a data set: a CSV,
// JSON Lines or Parquet file in whatever columns it has.
//
// Nothing is taken in that a scenario could not hold: every query passes the
// checks of the scenario loader, texts that ask for the same as an earlier one
// are left out by the loader's own rule, and the result fits into one query
// file. What is left out is counted by cause. Files are hostile: time is linear
// in their size, and memory is bounded by what is kept and a few megabytes.
package queryimport

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/unmask-eval/unmask/internal/scenario"
)

// Format is the form of a data set.
type Format string

// The formats.
const (
	CSV     Format = "csv"
	TSV     Format = "tsv"
	JSONL   Format = "jsonl"
	Parquet Format = "parquet"
)

// Limits of what is read.
const (
	// MaxRecordBytes is the size of one row of CSV with everything in it, and of
	// one line of JSON. A longer line of JSON is left out; a longer row of CSV ends
	// the import, because where it ends cannot be told.
	MaxRecordBytes = 1 << 20
	// MaxColumns is how many columns a file may have.
	MaxColumns = 10_000
	// MaxFileBytes is the size of the query file that is made: that of the loader.
	MaxFileBytes = scenario.MaxBytes
)

// Columns name where the parts of a query stand. Only Text is required.
type Columns struct {
	Text, ID, Category, Severity, Control string
}

// Options say how a data set is read. The zero value but for Columns.Text works.
type Options struct {
	Format  Format
	Columns Columns
	// Delimiter stands between the fields of CSV; 0 means a comma, and a tab for TSV.
	Delimiter rune
	// Category is that of rows without one of their own; default "imported".
	Category string
	// IDPrefix begins the ids that are made from texts; default "q".
	IDPrefix string
	// Limit is the most queries to keep, 1 to scenario.MaxQueries, its default.
	Limit int
	// MinWords and MaxWords bound the length of a text in words; 0 means no bound.
	MinWords, MaxWords int
}

// Input is a data set. Parquet is read at places, so it needs At and Size; the
// other formats are read in order.
type Input struct {
	Reader io.Reader
	At     io.ReaderAt
	Size   int64
}

// Result is what came out.
type Result struct {
	// Queries are in the order of the file, with unique ids.
	Queries []scenario.Query
	Report  Report
}

// Error says why a data set cannot be read any further. It repeats none of its text.
type Error struct {
	// Row is the line of the file, or the row of a Parquet file, counted from 1;
	// 0 for the file as a whole.
	Row     int
	Message string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Row == 0 {
		return e.Message
	}
	return fmt.Sprintf("row %d: %s", e.Row, e.Message)
}

func fail(row int, format string, args ...any) error {
	return &Error{Row: row, Message: fmt.Sprintf(format, args...)}
}

// Import reads a data set to its end. Its error is an *Error for what is wrong
// with the file or the options, the context's error, or one of reading. A file
// of which nothing can be used is an error too, with the report so far.
func Import(ctx context.Context, in Input, o Options) (*Result, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	src, err := open(in, o)
	if err != nil {
		return nil, err
	}
	defer src.close()
	c := newCollector(o)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, err := src.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		c.take(r)
	}
	result := c.result()
	if len(result.Queries) == 0 {
		return result, src.nothing(result.Report)
	}
	return result, nil
}

// complete checks the options and fills in the defaults.
func (o *Options) complete() error {
	if o.Limit == 0 {
		o.Limit = scenario.MaxQueries
	}
	if o.Category == "" {
		o.Category = "imported"
	}
	if o.IDPrefix == "" {
		o.IDPrefix = "q"
	}
	if o.Delimiter == 0 && o.Format == TSV {
		o.Delimiter = '\t'
	} else if o.Delimiter == 0 {
		o.Delimiter = ','
	}
	switch {
	case o.Format != CSV && o.Format != TSV && o.Format != JSONL && o.Format != Parquet:
		return fail(0, "the format must be csv, tsv, jsonl or parquet, not %.40q", o.Format)
	case o.Columns.Text == "":
		return fail(0, "the column of the text must be named")
	case o.Limit < 1 || o.Limit > scenario.MaxQueries:
		return fail(0, "the limit must be between 1 and %d, got %d", scenario.MaxQueries, o.Limit)
	case o.MinWords < 0 || o.MaxWords < 0 || o.MaxWords > 0 && o.MinWords > o.MaxWords:
		return fail(0, "the bounds of the length in words must not be negative, nor the lower one above the upper one")
	case asID(o.Category) != o.Category:
		return fail(0, "the category must be 1 to 63 lower-case letters, digits and hyphens, with no hyphen at either end, not %.80q", o.Category)
	case asID(o.IDPrefix) != o.IDPrefix || len(o.IDPrefix) > 40:
		return fail(0, "the prefix of ids must be 1 to 40 lower-case letters, digits and hyphens, with no hyphen at either end, not %.80q", o.IDPrefix)
	}
	return nil
}
