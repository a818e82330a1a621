package statsdoc_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/stats"
	"github.com/unmask-eval/unmask/internal/stats/statsdoc"
)

func TestTheOrderOfKeysDoesNotMatter(t *testing.T) {
	const config = `"config":{"alpha":0.05}`
	columns, rows := `"columns":`+columns, `"rows":`+rows(30, 2, 1, 0)
	want := run(t, []byte(`{"type":"paired_gap",`+config+`,"data":{`+columns+`,`+rows+`}}`))
	for _, doc := range []string{
		`{` + config + `,"data":{` + columns + `,` + rows + `},"type":"paired_gap"}`,
		`{"data":{` + rows + `,` + columns + `},"type":"paired_gap",` + config + `}`,
		`{"type":"paired_gap","data":{` + rows + `,"note":{"rows":[]},` + columns + `},"expected":{"a":[1]},` + config + `}`,
	} {
		require.Equal(t, want, run(t, []byte(doc)))
	}
}

func TestBrokenDocumentsAreRefused(t *testing.T) {
	for _, tt := range []struct{ name, document, field string }{
		{"type twice", `{"type":"power","type":"power"}`, "type"},
		{"rows twice", `{"type":"paired_gap","data":{"columns":` + columns + `,"rows":[],"rows":[]}}`, "data.rows"},
		{"no rows", `{"type":"paired_gap","config":{"alpha":0.05},"data":{"columns":` + columns + `}}`, "data.rows"},
		{"data an array", `{"type":"paired_gap","data":[]}`, "data"},
		{"columns a number", `{"type":"paired_gap","data":{"columns":7}}`, "data.columns"},
		{"rows end early", `{"type":"paired_gap","data":{"columns":` + columns + `,"rows":[["q","free"`, "document"},
		{"comma before the end of the rows", `{"type":"paired_gap","data":{"columns":` + columns + `,"rows":[["q","free",0,"refused",null],]}}`, "document"},
		{"invalid row", `{"type":"paired_gap","data":{"columns":` + columns + `,"rows":[["q","free",01,"refused",null]]}}`, "document"},
		{"late invalid row", `{"data":{"rows":[1],"columns":` + columns + `},"type":"paired_gap"}`, "data.rows[0]"},
		{"key not a string", `{7:1}`, "document"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := statsdoc.Run(strings.NewReader(tt.document), &bytes.Buffer{})
			var input *stats.InputError
			require.ErrorAs(t, err, &input)
			require.Equal(t, tt.field, input.Field, "%v", err)
		})
	}
}

// TestRowsAreConsumedAsTheyCome puts a bad row before a reader that must not be
// reached: a document that is held whole would reach it.
func TestRowsAreConsumedAsTheyCome(t *testing.T) {
	unreachable := errors.New("read too far")
	padding := strings.Repeat(`,["q","free",1,"refused",null]`, 20_000)
	json := `{"type":"paired_gap","data":{"columns":` + columns + `,"rows":[["q","gratis",0,"refused",null]` + padding
	csv := "prompt_id,condition,label\nq,gratis,refused\n" + strings.Repeat("q,free,refused\n", 20_000)
	for _, tt := range []struct {
		name, text string
		run        func(io.Reader) error
	}{
		{"json", json, func(r io.Reader) error { return statsdoc.Run(r, &bytes.Buffer{}) }},
		{"csv", csv, func(r io.Reader) error { return statsdoc.RunCSV(r, &bytes.Buffer{}, statsdoc.CSVOptions{}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.run(io.MultiReader(strings.NewReader(tt.text), iotest.ErrReader(unreachable)))
			require.NotErrorIs(t, err, unreachable)
			require.ErrorContains(t, err, "condition")
			// And a reader that fails is not a document that is wrong.
			err = tt.run(iotest.ErrReader(unreachable))
			require.ErrorIs(t, err, unreachable)
		})
	}
}

// million writes a table of samples with ten repeats, in either form.
func million(total int, row, separator string) string {
	var b strings.Builder
	for i := range total {
		if i > 0 {
			b.WriteString(separator)
		}
		label := "refused"
		switch {
		case i%9 == 0:
			label = "complied"
		case i%101 == 0:
			label = "error"
		}
		fmt.Fprintf(&b, row, i/20, []string{"free", "paid"}[i/10%2], i%10, label)
	}
	return b.String()
}

// BenchmarkDocument runs whole documents; the time per sample must not grow.
func BenchmarkDocument(b *testing.B) {
	for _, total := range []int{100_000, 1_000_000} {
		json := document("paired_gap", `{"alpha":0.05,"thresholds":[0.05]}`, columns, "["+million(total, `["q%06d","%s",%d,"%s",null]`, ",")+"]")
		csv := "prompt_id,condition,sample,label\n" + million(total, "q%06d,%s,%d,%s", "\n")
		for _, tt := range []struct {
			name, text string
			run        func(io.Reader) error
		}{
			{"json", json, func(r io.Reader) error { return statsdoc.Run(r, io.Discard) }},
			{"csv", csv, func(r io.Reader) error { return statsdoc.RunCSV(r, io.Discard, statsdoc.CSVOptions{}) }},
		} {
			b.Run(fmt.Sprintf("%s/%d", tt.name, total), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := tt.run(strings.NewReader(tt.text)); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(total), "ns/sample")
			})
		}
	}
}
