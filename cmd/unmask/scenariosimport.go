package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/unmask-eval/unmask/internal/scenario/queryimport"
	"github.com/unmask-eval/unmask/internal/terminal"
)

// importFlags are what `unmask scenarios import` asks for.
type importFlags struct {
	queryimport.Options
	format, delimiter, out, output string
}

func newScenariosImport() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Make a query file from a data set in CSV, JSON Lines or Parquet", Args: exactArgs("FILE"),
		Long: `Make the queries of a scenario from a data set: one JSON object a line, which a
scenario names in query_files. Texts that ask for the same as an earlier one are
left out, as the scenario loader would refuse them; whatever is left out is
counted by cause. The report goes to standard error, or to standard output with
--out. FILE may be - for standard input, with --format.`,
		Example: `  unmask scenarios import prompts.csv --text-column prompt --category-column topic --out requests.jsonl
  unmask scenarios import data.parquet --text-column instruction --category fraud --limit 300 > requests.jsonl`,
	}
	fl := cmd.Flags()
	c := &f.Columns
	fl.StringVar(&c.Text, "text-column", "", "column of the text; required")
	fl.StringVar(&c.ID, "id-column", "", "column of the id (default: ids are made from the texts, and stay with them)")
	fl.StringVar(&c.Category, "category-column", "", "column of the category")
	fl.StringVar(&f.Category, "category", "imported", "category of rows without one of their own")
	fl.StringVar(&c.Severity, "severity-column", "", "column of the severity: low, moderate, high or empty")
	fl.StringVar(&c.Control, "control-column", "", "column that marks control queries: true or false, yes or no, 1 or 0, or empty")
	fl.StringVar(&f.IDPrefix, "id-prefix", "q", "beginning of the ids that are made from the texts")
	fl.StringVar(&f.format, "format", "", "csv, tsv, jsonl or parquet (default: by the file's name)")
	fl.StringVar(&f.delimiter, "delimiter", "", "what stands between the fields of CSV, one character")
	fl.IntVar(&f.Limit, "limit", 0, "the most queries to keep, the first ones (default: 20000)")
	fl.IntVar(&f.MinWords, "min-words", 0, "leave out texts of fewer words")
	fl.IntVar(&f.MaxWords, "max-words", 0, "leave out texts of more words")
	fl.StringVar(&f.out, "out", "", "query file to write, NAME.jsonl; one that exists is left alone (default: standard output)")
	fl.StringVar(&f.output, "output", "text", "form of the report: text or json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) }
	return cmd
}

func (f *importFlags) run(cmd *cobra.Command, path string) (err error) {
	if err := f.check(path); err != nil {
		return err
	}
	in, size, stop, err := openInput(cmd, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	input := queryimport.Input{Reader: in, Size: size}
	if at, ok := in.(io.ReaderAt); ok && path != "-" {
		input.At = at
	}
	result, err := queryimport.Import(cmd.Context(), input, f.Options)
	var broken *queryimport.Error
	if errors.As(err, &broken) {
		return usageError("%s: %w", path, broken)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	var lines bytes.Buffer
	for _, q := range result.Queries {
		lines.Write(queryimport.Line(q))
	}
	if err := writeNew(cmd.OutOrStdout(), f.out, lines.Bytes()); err != nil {
		return err
	}
	report := cmd.ErrOrStderr()
	if f.out != "" {
		report = cmd.OutOrStdout()
	}
	if f.output == "json" {
		return writeIndented(report, result.Report)
	}
	return writeImportReport(report, result.Report)
}

// check looks at the flags before the file.
func (f *importFlags) check(path string) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	if f.Columns.Text == "" {
		return usageError("--text-column is required: the name of the column that holds the text")
	}
	if f.out != "" && filepath.Ext(f.out) != ".jsonl" {
		return usageError("--out must end in .jsonl, or query_files cannot name it, got %q", f.out)
	}
	if f.Limit < 0 {
		return usageError("--limit must be at least 1, got %d", f.Limit)
	}
	if f.delimiter != "" {
		r, size := utf8.DecodeRuneInString(f.delimiter)
		if size != len(f.delimiter) || r == '"' || r == '\n' || r == '\r' || r == utf8.RuneError {
			return usageError("--delimiter must be one character, and no quote or line end, got %q", f.delimiter)
		}
		f.Delimiter = r
	}
	name := f.format
	if name == "" {
		name = strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
		if name == "ndjson" {
			name = "jsonl"
		}
	}
	switch f.Format = queryimport.Format(name); f.Format {
	case queryimport.CSV, queryimport.TSV, queryimport.JSONL, queryimport.Parquet:
		return nil
	}
	if f.format != "" {
		return usageError("--format must be csv, tsv, jsonl or parquet, got %q", f.format)
	}
	return usageError("%s: say with --format whether it is csv, tsv, jsonl or parquet", path)
}

// openInput opens a regular file, or takes standard input for "-".
func openInput(cmd *cobra.Command, path string) (in io.Reader, size int64, stop func() error, err error) {
	if path == "-" {
		return cmd.InOrStdin(), 0, func() error { return nil }, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil, usageError("there is no file %q", path)
	}
	if err != nil {
		return nil, 0, nil, usageError("read the data set: %v", err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = usageError("%s is a folder", path)
	}
	if err != nil {
		return nil, 0, nil, errors.Join(err, f.Close())
	}
	return f, info.Size(), f.Close, nil
}

func writeImportReport(w io.Writer, r queryimport.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "rows read\t%d\n", r.Rows)
	fmt.Fprintf(t, "queries kept\t%d (%d of them controls)\n", r.Kept, r.Controls)
	fmt.Fprintf(t, "rows left out\t%d\n", r.Rows-r.Kept)
	for _, c := range r.LeftOut {
		fmt.Fprintf(t, "  %s\t%d (the first in row %d)\n", terminal.Safe(c.Cause), c.Rows, c.First)
	}
	if r.SeveritiesDropped > 0 {
		fmt.Fprintf(t, "severities of controls, dropped\t%d\n", r.SeveritiesDropped)
	}
	fmt.Fprintf(t, "words in a text\t%d to %d, median %g\n", r.Words.Min, r.Words.Max, r.Words.Median)
	writeShares(t, "categories", r.Categories)
	writeShares(t, "severities", r.Severities)
	writeShares(t, "languages", r.Languages)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "(languages: %s)\n", r.LanguageMethod)
	return err
}

// writeShares lists the most frequent names.
func writeShares(w io.Writer, what string, shares []queryimport.Share) {
	const most = 12
	for i, s := range shares {
		if i == most {
			fmt.Fprintf(w, "  %d more\t\n", len(shares)-most)
			return
		}
		if i == 0 {
			fmt.Fprintf(w, "%s\t%d\n", what, len(shares))
		}
		fmt.Fprintf(w, "  %s\t%d\n", terminal.Safe(s.Name), s.Queries)
	}
}
