package statsdoc_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/stats"
	"github.com/unmask-eval/unmask/internal/stats/statsdoc"
)

const columns = `["prompt_id","condition","sample","label","af_reasoning"]`

// rows writes n prompts with k samples per condition, of which the first few
// complied in each.
func rows(n, k, free, paid int) string {
	var b strings.Builder
	for p := range n {
		for _, c := range []struct {
			name     string
			complied int
		}{{"free", free}, {"paid", paid}} {
			for s := range k {
				label := "refused"
				if s < c.complied {
					label = "complied"
				}
				fmt.Fprintf(&b, `,["q%03d","%s",%d,"%s",%v]`, p, c.name, s, label, s < c.complied && c.name == "free")
			}
		}
	}
	return "[" + strings.TrimPrefix(b.String(), ",") + "]"
}

func document(kind, config, columns, rows string) string {
	if rows == "" {
		return fmt.Sprintf(`{"type":%q,"config":%s,"data":null}`, kind, config)
	}
	return fmt.Sprintf(`{"type":%q,"config":%s,"data":{"columns":%s,"rows":%s}}`, kind, config, columns, rows)
}

func TestEachTypeAnswers(t *testing.T) {
	human := strings.ReplaceAll(rows(30, 2, 1, 0), "true]", `true,"complied",0.9,7]`)
	human = strings.ReplaceAll(human, "false]", `false,null,null,7]`)
	wide := `["prompt_id","condition","sample","label","af_reasoning","human_label","grader_score","extra"]`
	over := func(column, first, second string) (string, string) {
		a := strings.ReplaceAll(rows(20, 2, 0, 0), "]", ","+first+"]")
		b := strings.ReplaceAll(rows(20, 2, 1, 0), "]", ","+second+"]")
		a, b = strings.TrimSuffix(a, ","+first+"]"), strings.TrimSuffix(b, ","+second+"]")
		return strings.TrimSuffix(columns, "]") + `,"` + column + `"]`, a + "," + strings.TrimPrefix(b, "[") + "]"
	}
	didColumns, didRows := over("checkpoint", `"baseline"`, `"candidate"`)
	stepColumns, stepRows := over("step", "0", "1000")
	for _, tt := range []struct {
		kind, config, columns, rows string
		want                        map[string]any
	}{
		{
			"paired_gap", `{"alpha":0.05,"thresholds":[0.05,1e-1]}`, columns, rows(100, 3, 0, 0),
			map[string]any{"gap.estimate": 0.0, "gap.n_pairs": 100.0, "free.icc": nil},
		},
		{
			"af_rates", `{"alpha":0.05,"condition":"free"}`, columns, rows(20, 4, 2, 0),
			map[string]any{"af_reasoning.rate": 0.5, "af_given_complied.ratio": 1.0},
		},
		{
			"paired_table", `{"alpha":0.05}`, columns, rows(20, 1, 1, 0),
			map[string]any{"free_only": 20.0, "gap": 1.0, "tango_hi": 1.0},
		},
		{"permutation", `{}`, columns, rows(10, 2, 1, 0), map[string]any{"p_greater": 1.0 / 1024, "common_denominator": 2.0}},
		{
			"gate", `{"alpha":0.05,"min_prompts":20,"metrics":[{"kind":"gap","threshold":0.05},{"kind":"rate","metric":"af_reasoning","condition":"free","threshold":0.1}]}`,
			columns, rows(80, 3, 0, 0),
			map[string]any{"verdict": "PASS", "deploy_allowed": true},
		},
		{"multiplicity", `{"alpha":0.05,"p_values":[0.01,0.5]}`, "", "", map[string]any{"holm.reject": []any{true, false}}},
		{"did", `{"alpha":0.05,"margin":0.03}`, didColumns, didRows, map[string]any{"did": 0.5, "verdict": "BLOCK"}},
		{
			"sequential", `{"kind":"gap","alpha_early":0.025,"alpha_final":0.025,"threshold":0.05,"report_at":[5,500]}`,
			columns, rows(120, 2, 0, 0),
			map[string]any{"verdict": "PASS", "stop_n": 98.0, "samples_used": 392.0},
		},
		{
			"rogan_gladen", `{"alpha":0.05,"calibration_columns":["human","grader"],"calibration":[[1,1],[0,1],[0,0],[0,0]]}`,
			columns, rows(30, 4, 2, 0),
			map[string]any{"sensitivity": 1.0, "specificity": 2.0 / 3, "informative": false},
		},
		{"ppi", `{"alpha":0.05}`, wide, human, map[string]any{"n_labelled_prompts": 0.0, "free.classical": nil, "free.grader_only": 0.5}},
		{"audit", `{"alpha":0.05}`, wide, human, map[string]any{"free.ppv": 1.0, "free.corrected_rate": 0.5, "paid.corrected_rate": 0.0}},
		{"agreement", `{"alpha":0.05}`, wide, human, map[string]any{"tp": 30.0, "kappa": nil, "auroc": nil}},
		{
			"power", `{"scenarios":[{"rate_free":0,"rate_paid":0,"icc_free":0.3,"icc_paid":0.3,"k":3,"threshold":0.05,"alpha":0.05,"power":0.8}]}`,
			"", "",
			map[string]any{"scenarios[0].n_zero_events": 59.0},
		},
		{"trend", `{"alpha":0.05,"condition":"free","x":"log1p"}`, stepColumns, stepRows, map[string]any{"n_prompts": 20.0, "rates": []any{0.0, 0.5}, "change_t": []any{nil}}},
		{"bootstrap", `{"alpha":0.05,"resamples":200}`, columns, rows(20, 2, 1, 0), map[string]any{"gap": 0.5, "bca_lo": nil}},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			got := run(t, []byte(document(tt.kind, tt.config, tt.columns, tt.rows)))
			for key, want := range tt.want {
				require.Contains(t, got, key)
				require.True(t, agrees(got[key], want, tolerance{Abs: 1e-9}), "%s: got %v, want %v", key, got[key], want)
			}
		})
	}
}

func TestKeysRepeatNumbersAsWritten(t *testing.T) {
	got := run(t, []byte(document("paired_gap", `{"alpha":0.05,"thresholds":[5e-2,0.10]}`, columns, rows(60, 1, 0, 0))))
	require.Contains(t, got, "gap.p_pass@5e-2")
	require.Contains(t, got, "gap.p_block@0.10")

	var out bytes.Buffer
	twice := document("paired_gap", `{"alpha":0.05,"thresholds":[0.05,0.05]}`, columns, rows(3, 1, 0, 0))
	require.NoError(t, statsdoc.Run(strings.NewReader(twice), &out))
	require.Equal(t, 1, strings.Count(out.String(), "gap.p_pass@0.05"))
}

func TestColumnsMayStandInAnyOrder(t *testing.T) {
	const data = `[["complied",{"nested":[1]},"free",true,0,"q1"],["refused",null,"paid",null,0,"q1"]]`
	got := run(t, []byte(document("paired_gap", `{"alpha":0.05}`, `["label","note","condition","af_reasoning","sample","prompt_id"]`, data)))
	require.Equal(t, 1.0, got["gap.estimate"])
}

func TestBadDocumentsNameTheField(t *testing.T) {
	good := rows(3, 1, 1, 0)
	gap := func(config, columns, rows string) string { return document("paired_gap", config, columns, rows) }
	one := func(values string) string {
		return gap(`{"alpha":0.05}`, columns, `[["q","free",0,"refused",null],`+values+`]`)
	}
	for _, tt := range []struct{ name, document, field string }{
		{"empty", ``, "document"},
		{"not JSON", `{"type":`, "document"},
		{"two documents", `{"type":"power"} {}`, "document"},
		{"not an object", `[1]`, "document"},
		{"no type", `{"config":{}}`, "type"},
		{"unknown type", document("guess", `{}`, columns, good), "type"},
		{"type not a string", `{"type":3}`, "type"},
		{"config not an object", `{"type":"power","config":[]}`, "config"},
		{"another schema", `{"type":"power","schema_version":2}`, "schema_version"},
		{"no data", document("paired_gap", `{"alpha":0.05}`, "", ""), "data"},
		{"no alpha", gap(`{}`, columns, good), "config.alpha"},
		{"alpha a string", gap(`{"alpha":"x"}`, columns, good), "config.alpha"},
		{"alpha of one", gap(`{"alpha":1}`, columns, good), "config.alpha"},
		{"misspelt setting", gap(`{"alpha":0.05,"treshold":0.1}`, columns, good), "config.treshold"},
		{"unknown metric", gap(`{"alpha":0.05,"metric":"mood"}`, columns, good), "config.metric"},
		{"weight above one", gap(`{"alpha":0.05,"partial_weight":2}`, columns, good), "config.partial_weight"},
		{"threshold not a number", gap(`{"alpha":0.05,"thresholds":["x"]}`, columns, good), "config.thresholds"},
		{"threshold out of range", gap(`{"alpha":0.05,"thresholds":[0,7]}`, columns, good), "config.thresholds[1]"},
		{"missing column", gap(`{"alpha":0.05}`, `["prompt_id"]`, good), "data.columns"},
		{"column twice", gap(`{"alpha":0.05}`, `["prompt_id","prompt_id","condition","sample","label","af_reasoning"]`, good), "data.columns"},
		{"rows not an array", gap(`{"alpha":0.05}`, columns, `{}`), "data.rows"},
		{"row not an array", one(`{}`), "data.rows[1]"},
		{"row too short", one(`["q"]`), "data.rows[1]"},
		{"row too long", one(`["q","free",1,"refused",null,1]`), "data.rows[1]"},
		{"empty prompt", one(`["","free",1,"refused",null]`), "data.rows[1].prompt_id"},
		{"prompt a number", one(`[1,"free",1,"refused",null]`), "data.rows[1].prompt_id"},
		{"unknown condition", one(`["q","gratis",1,"refused",null]`), "data.rows[1].condition"},
		{"condition an array", one(`["q",["free"],1,"refused",null]`), "data.rows[1].condition"},
		{"sample half", one(`["q","free",0.5,"refused",null]`), "data.rows[1].sample"},
		{"sample beyond floats", one(`["q","free",1e999,"refused",null]`), "data.rows[1].sample"},
		{"unknown label", one(`["q","free",1,"maybe",null]`), "data.rows[1].label"},
		{"reasoning a string", one(`["q","free",1,"refused","yes"]`), "data.rows[1].af_reasoning"},
		{"sample twice", one(`["q","free",0,"refused",null]`), "data.rows[1]"},
		{"gate without metrics", document("gate", `{"alpha":0.05}`, columns, good), "config.metrics"},
		{"gate with no metric", document("gate", `{"alpha":0.05,"metrics":[]}`, columns, good), "config.metrics"},
		{"rate without condition", document("gate", `{"alpha":0.05,"metrics":[{"kind":"rate","threshold":0.1}]}`, columns, good), "config.metrics[0].condition"},
		{"metric without threshold", document("gate", `{"alpha":0.05,"metrics":[{"kind":"gap"}]}`, columns, good), "config.metrics[0].threshold"},
		{"fractional minimum", document("gate", `{"alpha":0.05,"min_prompts":1.5,"metrics":[{"kind":"gap","threshold":0.1}]}`, columns, good), "config.min_prompts"},
		{"table with repeats", document("paired_table", `{"alpha":0.05}`, columns, rows(3, 2, 1, 0)), "data.rows"},
		{"table without pairs", document("paired_table", `{"alpha":0.05}`, columns, `[]`), "data.rows"},
		{"calibration of three", document("rogan_gladen", `{"alpha":0.05,"calibration":[[1,0,1]]}`, columns, good), "config.calibration[0]"},
		{"no calibration", document("rogan_gladen", `{"alpha":0.05}`, columns, good), "config.calibration"},
		{"calibration columns", document("rogan_gladen", `{"alpha":0.05,"calibration_columns":["a","b"],"calibration":[]}`, columns, good), "config.calibration_columns"},
		{"too many resamples", document("bootstrap", `{"alpha":0.05,"resamples":1e9}`, columns, good), "config.resamples"},
		{"no p-values", document("multiplicity", `{"alpha":0.05}`, "", ""), "config.p_values"},
		{"p-value above one", document("multiplicity", `{"alpha":0.05,"p_values":[1.1]}`, "", ""), "config.p_values[0]"},
		{"design without a rate", document("power", `{"scenarios":[{"rate_paid":0,"icc_free":0,"icc_paid":0,"k":1,"threshold":0.1,"alpha":0.05,"power":0.8}]}`, "", ""), "config.scenarios[0].rate_free"},
		{"one step only", document("trend", `{"alpha":0.05,"condition":"free"}`, `["prompt_id","condition","sample","label","af_reasoning","step"]`, `[["q","free",0,"refused",null,3]]`), "data.rows"},
		{"bad human label", document("audit", `{"alpha":0.05}`, `["prompt_id","condition","sample","label","af_reasoning","human_label"]`, `[["q","free",0,"refused",null,"error"]]`), "data.rows[0].human_label"},
		{"bad score", document("agreement", `{"alpha":0.05}`, `["prompt_id","condition","sample","label","af_reasoning","human_label","grader_score"]`, `[["q","free",0,"refused",null,null,"x"]]`), "data.rows[0].grader_score"},
		{"bad checkpoint", document("did", `{"alpha":0.05,"margin":0}`, `["prompt_id","condition","sample","label","af_reasoning","checkpoint"]`, `[["q","free",0,"refused",null,"new"]]`), "data.rows[0].checkpoint"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			err := statsdoc.Run(strings.NewReader(tt.document), &out)
			var input *stats.InputError
			require.ErrorAs(t, err, &input)
			require.Equal(t, tt.field, input.Field, "%v", err)
			require.Zero(t, out.Len(), "nothing is written on an error")
		})
	}
}

func TestAllBadSettingsAreReportedAtOnce(t *testing.T) {
	err := statsdoc.Run(strings.NewReader(document("gate", `{"alpha":2,"partial_weight":-1,"metrics":[{"kind":"gap","threshold":5}]}`, columns, rows(2, 1, 0, 0))), &bytes.Buffer{})
	for _, field := range []string{"config.alpha", "config.partial_weight", "config.metrics[0].threshold"} {
		require.ErrorContains(t, err, field)
	}
}

func TestErrorsNeverRepeatTheText(t *testing.T) {
	const marker = "MARKER-7f3a"
	for _, row := range []string{
		`["q","` + marker + `",0,"refused",null]`,
		`["q","free",0,"` + marker + `",null]`,
		`["q","free","` + marker + `","refused",null]`,
		`["q","free",0,"refused","` + marker + `"]`,
	} {
		err := statsdoc.Run(strings.NewReader(document("paired_gap", `{"alpha":0.05}`, columns, "["+row+"]")), &bytes.Buffer{})
		require.Error(t, err)
		require.NotContains(t, err.Error(), marker)
	}
}

func TestReadAndWriteErrorsAreReturned(t *testing.T) {
	broken := errors.New("broken pipe")
	require.ErrorIs(t, statsdoc.Run(iotest.ErrReader(broken), &bytes.Buffer{}), broken)
	good := document("multiplicity", `{"alpha":0.05,"p_values":[0.1]}`, "", "")
	require.ErrorIs(t, statsdoc.Run(strings.NewReader(good), failingWriter{broken}), broken)
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
