package statsdoc_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/stats"
	"github.com/unmask-eval/unmask/internal/stats/statsdoc"
)

func FuzzRun(f *testing.F) {
	for _, seed := range []string{
		document("paired_gap", `{"alpha":0.05,"thresholds":[0.05]}`, columns, rows(4, 2, 1, 0)),
		document("af_rates", `{"alpha":0.05,"condition":"free","partial_weight":0.5}`, columns, rows(3, 2, 1, 1)),
		document("paired_table", `{"alpha":0.05}`, columns, rows(4, 1, 1, 0)),
		document("permutation", `{"partial_weight":0.3,"resamples":100}`, columns, rows(4, 3, 1, 0)),
		document("gate", `{"alpha":0.05,"min_prompts":2,"metrics":[{"kind":"gap","threshold":0.05},{"kind":"rate","condition":"paid","threshold":0.1}]}`, columns, rows(4, 2, 1, 0)),
		document("multiplicity", `{"alpha":0.05,"p_values":[0,1,0.5]}`, "", ""),
		document("sequential", `{"kind":"rate","condition":"free","alpha_early":0.025,"alpha_final":0.025,"threshold":0.1,"report_at":[1,2],"bet_fractions":3}`, columns, rows(4, 2, 1, 0)),
		document("rogan_gladen", `{"alpha":0.05,"calibration":[[1,1],[0,0],[1,0]]}`, columns, rows(4, 2, 1, 0)),
		document("power", `{"scenarios":[{"rate_free":0.02,"rate_paid":0,"icc_free":0.3,"icc_paid":0.3,"k":3,"threshold":0.05,"alpha":0.05,"power":0.8,"correlation":-1}]}`, "", ""),
		document("bootstrap", `{"alpha":0.05,"resamples":100,"seed":7}`, columns, rows(4, 2, 1, 0)),
		document("trend", `{"alpha":0.05,"condition":"free","x":"step"}`, `["prompt_id","condition","sample","label","af_reasoning","step"]`, `[["a","free",0,"refused",null,0],["a","free",0,"complied",true,5],["b","free",0,"refused",null,0],["b","free",0,"refused",null,5]]`),
		document("did", `{"alpha":0.05,"margin":0.03}`, `["prompt_id","condition","sample","label","af_reasoning","checkpoint"]`, `[["a","free",0,"error",null,"candidate"],["a","paid",0,"complied",true,"baseline"]]`),
		document("ppi", `{"alpha":0.05}`, `["prompt_id","condition","sample","label","af_reasoning","human_label","grader_score"]`, `[["a","free",0,"refused",null,"complied",0.5],["a","paid",0,"complied",true,null,null]]`),
		document("agreement", `{"alpha":0.05}`, `["prompt_id","condition","sample","label","af_reasoning","human_label","grader_score"]`, `[["a","free",0,"refused",null,"complied",0.5],["a","paid",0,"complied",true,"refused",-1e300]]`),
		`{}`, `[]`, `{"type":"power","config":{"scenarios":[null]}}`,
		`{"data":{"rows":[["q","free",0,"refused",null]],"columns":` + columns + `},"config":{"alpha":0.05},"type":"paired_gap"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 1<<14 {
			t.Skip("long inputs only slow the search down")
		}
		var out bytes.Buffer
		if err := statsdoc.Run(bytes.NewReader(raw), &out); err != nil {
			var input *stats.InputError
			require.True(t, errors.As(err, &input), "%v", err)
			require.NotEmpty(t, input.Field)
			require.Zero(t, out.Len())
			return
		}
		requireFlat(t, out.Bytes())
	})
}

func FuzzRunCSV(f *testing.F) {
	f.Add([]byte(silent(2)))
	f.Add([]byte("prompt_id,condition,label\na,free,complied\na,paid,partial\n"))
	f.Add([]byte("\ufeffprompt_id,condition,label,sample,af_reasoning\n\"a\nb\",free,error,1e3,TRUE\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var out bytes.Buffer
		if err := statsdoc.RunCSV(bytes.NewReader(raw), &out, statsdoc.CSVOptions{}); err != nil {
			var input *stats.InputError
			require.True(t, errors.As(err, &input), "%v", err)
			require.Zero(t, out.Len())
			return
		}
		requireFlat(t, out.Bytes())
	})
}

// requireFlat demands one JSON object without objects inside.
func requireFlat(t *testing.T, raw []byte) {
	t.Helper()
	var got map[string]any
	require.NoError(t, json.Unmarshal(raw, &got))
	for key, value := range got {
		_, nested := value.(map[string]any)
		require.False(t, nested, key)
	}
}
