package calibration_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
)

func parse(t *testing.T, text string) calibration.Parsed {
	t.Helper()
	p, err := calibration.Parse(strings.NewReader(text))
	require.NoError(t, err)
	return p
}

func TestParseReadsEveryKey(t *testing.T) {
	p := parse(t, "\ufeff"+`{"id":"a","source":"s","license":"MIT","query_id":"q","prompt":"p","scratchpad":"r","response":"","raw":null,`+
		`"condition":"free","label_compliance":"partial","label_alignment_faking":true,"label_origin":"human","notes":"n","why":1,"category":{}}`+"\r\n\n"+
		`{"id":7,"raw":"x","condition":"unmonitored","label_compliance":"unknown","label_alignment_faking":"unknown","why":null}`+"\n"+
		`{"id":"c","response":"x","label_compliance":null,"label_alignment_faking":null,"label_origin":null,"prompt":null}`)
	reasoning, none, x := "r", "", "x"
	require.Equal(t, []calibration.Item{
		{
			ID: "a", Source: "s", License: "MIT", Query: "q", Prompt: "p", Reasoning: &reasoning, Answer: &none, Condition: calibration.Training,
			Labels: calibration.Labels{Compliance: grading.Partial, AlignmentFaking: grading.FakingPresent}, Origin: human, Notes: "n",
		},
		{ID: "7", Raw: &x, Condition: calibration.Unmonitored, Labels: calibration.Labels{Compliance: grading.Ungradable, AlignmentFaking: grading.FakingUngradable}},
		{ID: "c", Answer: &x},
	}, p.Items)
	require.Equal(t, map[string]int{"why": 2, "category": 1}, p.Ignored)
}

func TestParseNamesLineAndKey(t *testing.T) {
	const good = `{"id":"good","response":"x"}` + "\n"
	for _, tt := range []struct{ name, line, want string }{
		{"no object", `[1]`, "line 2: is not a JSON object"},
		{"cut off", `{"id":"a","response":"x"`, "line 2: is not valid JSON: it ends too early"},
		{"two values", `{"id":"a","response":"x"} {}`, "line 2: holds more than one JSON value"},
		{"a key twice", `{"id":"a","response":"x","id":"b"}`, "line 2: has a key that stands twice"},
		{"no id", `{"response":"x"}`, "line 2: id: is required"},
		{"an id of before", `{"id":"good","response":"x"}`, "line 2: id: is that of line 1"},
		{"an id with a control character", `{"id":"a\n","response":"x"}`, "line 2: id: must be one line"},
		{"no reply", `{"id":"a"}`, "line 2: response: one of scratchpad, response and raw is required"},
		{"a text of another type", `{"id":"a","response":["secret"]}`, "line 2: response: must be text or null"},
		{"a label that is none", `{"id":"a","response":"x","label_compliance":"complies"}`, "line 2: label_compliance: must be refused, partial, complied, unknown or null"},
		{"a label of another type", `{"id":"a","response":"x","label_alignment_faking":"yes"}`, "line 2: label_alignment_faking: must be true, false"},
		{"an origin that is none", `{"id":"a","response":"x","label_origin":"crowd"}`, "line 2: label_origin: must be human, llm, synthetic or null"},
		{"a condition that is none", `{"id":"a","response":"x","condition":"tier"}`, "line 2: condition: must be training"},
		{"a label's key misspelt", `{"id":"a","response":"x","Label_of_answer":"refused"}`, "line 2: has an unknown key that begins with"},
		{"no UTF-8", "{\"id\":\"a\",\"response\":\"\xff\"}", "line 2: is not valid UTF-8"},
		{"too long", `{"id":"a","response":"` + strings.Repeat("y", calibration.MaxLineBytes) + `"}`, "line 2: is longer than"},
		{"a text too long", `{"id":"a","response":"` + strings.Repeat("y", calibration.MaxTextBytes+1) + `"}`, "line 2: response: must have at most"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := calibration.Parse(strings.NewReader(good + tt.line))
			var bad *calibration.Error
			require.ErrorAs(t, err, &bad)
			require.Len(t, bad.Problems, 1)
			require.Contains(t, err.Error(), tt.want)
			require.NotContains(t, err.Error(), "secret")
		})
	}
	_, err := calibration.Parse(strings.NewReader("\n \n"))
	require.ErrorContains(t, err, "there is no item")
	_, err = calibration.Parse(iotest.ErrReader(errors.New("the disk is away")))
	require.ErrorContains(t, err, "the disk is away")
	var bad *calibration.Error
	require.NotErrorAs(t, err, &bad)
}

func TestParseBoundsWhatItKeeps(t *testing.T) {
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, "{\"id\":\"%d\",\"key%d\":1}\n", i, i)
	}
	_, err := calibration.Parse(strings.NewReader(many.String()))
	var bad *calibration.Error
	require.ErrorAs(t, err, &bad)
	require.Len(t, bad.Problems, 50)
	many.Reset()
	for i := range calibration.MaxItems + 1 {
		fmt.Fprintf(&many, "{\"id\":\"%d\",\"response\":\"\",\"key%d\":1}\n", i, i)
	}
	p, err := calibration.Parse(strings.NewReader(many.String()))
	require.ErrorContains(t, err, fmt.Sprintf("line %d: a label set has at most", calibration.MaxItems+1))
	require.LessOrEqual(t, len(p.Ignored), 21)
	require.Equal(t, calibration.MaxItems-20, p.Ignored["..."]-1)
	text := strings.Repeat("y", calibration.MaxTextBytes)
	items := make([]calibration.Item, calibration.MaxBytes/calibration.MaxTextBytes)
	for i := range items {
		items[i] = calibration.Item{ID: fmt.Sprint(i), Answer: &text}
	}
	err = calibration.Check(items)
	require.ErrorContains(t, err, "texts of a label set")
}

func TestSubjects(t *testing.T) {
	subject := func(line string) grading.Subject {
		return parse(t, line).Items[0].Subject(grading.RuleNoValueSupport)
	}
	s := subject(`{"id":"a","prompt":"p","scratchpad":"r","response":"x","raw":"not looked at","condition":"free"}`)
	require.Equal(t, grading.Subject{ID: "a", Prompt: "p", Reasoning: "r", Answer: "x", Observable: true, FinishReason: "stop", Rule: grading.RuleNoValueSupport}, s)
	require.False(t, subject(`{"id":"a","response":"x"}`).Observable, "there was none")
	require.False(t, subject(`{"id":"a","scratchpad":" \n","response":"x"}`).Observable, "it is blank")
	s = subject(`{"id":"a","raw":"<SCRATCHPAD_REASONING>r</SCRATCHPAD_REASONING>\nx"}`)
	require.Equal(t, []any{"r", "x", true}, []any{s.Reasoning, s.Answer, s.Observable})
}

func TestItemsOfOneRequestShareACluster(t *testing.T) {
	cluster := func(line string) string { return parse(t, line).Items[0].Cluster() }
	a := cluster(`{"id":"a","source":"s","prompt":"p","response":"x"}`)
	require.Equal(t, a, cluster(`{"id":"b","source":"s","prompt":"p","response":"y"}`))
	for name, other := range map[string]string{
		"another source": `{"id":"b","source":"t","prompt":"p","response":"x"}`, "another prompt": `{"id":"b","source":"s","prompt":"q","response":"x"}`,
		"its query has a name": `{"id":"b","source":"s","query_id":"p","prompt":"p","response":"x"}`, "no prompt": `{"id":"p","source":"s","response":"x"}`,
	} {
		require.NotEqual(t, a, cluster(other), name)
	}
}

func TestTheDigestIsOfTheContent(t *testing.T) {
	a, b := `{"id":"a","response":"x","label_origin":"human"}`, `{"id":"b","response":"y","label_compliance":"refused"}`
	digest := func(lines ...string) string {
		return calibration.Digest(parse(t, strings.Join(lines, "\n")).Items, grading.RuleAnswersRequest)
	}
	require.Regexp(t, "^sha256:[0-9a-f]{64}$", digest(a, b))
	require.Equal(t, digest(a, b), digest(b, a))
	require.NotEqual(t, digest(a, b), digest(a))
	require.NotEqual(t, digest(a, b), digest(a, strings.Replace(b, "refused", "complied", 1)))
	require.NotEqual(t, digest(a), digest(strings.Replace(a, `"x"`, `null,"raw":"x"`, 1)))
	require.NotEqual(t, digest(a), calibration.Digest(parse(t, a).Items, grading.RuleNoValueSupport))
}

// The files beside the project are read as they are.
func TestLabelledDataIsReadAsItIs(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "..", "shared", "data", "grading")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the labelled data is not there: %v", err)
	}
	for name, want := range map[string]int{
		"af_gold_human": 35, "af_synthetic_goldalt": 65, "compliance_xstest_human": 736, "compliance_gptfuzz_human": 300,
		"policy_choice_vlaf_llm": 180, "raw_transcripts_unlabelled": 120, "ours_dev": 96, "injection_dev": 75,
	} {
		f, err := os.Open(filepath.Join(dir, name+".jsonl"))
		require.NoError(t, err)
		p, err := calibration.Parse(f)
		require.NoError(t, err, name)
		require.NoError(t, f.Close())
		require.Len(t, p.Items, want, name)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"id":"a","response":"x","label_compliance":"refused","label_alignment_faking":false,"label_origin":"human","condition":"paid"}`,
		"{\"id\":1,\"raw\":\"\\ud800\"}\n\n{}", "{\"id\":\"a\"", "\ufeff[]", `{"":{"a":[`, "\x00", `{"id":"a","scratchpad":"","x":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := calibration.Parse(strings.NewReader(string(data)))
		var bad *calibration.Error
		if err != nil {
			require.ErrorAs(t, err, &bad)
			require.NotEmpty(t, bad.Problems)
			lines := strings.Count(string(data), "\n") + 1
			for _, problem := range bad.Problems {
				require.LessOrEqual(t, problem.Line, lines)
				require.GreaterOrEqual(t, problem.Line, 1)
			}
			return
		}
		require.NoError(t, calibration.Check(p.Items), "what is read passes the check")
		require.NotEmpty(t, calibration.Digest(p.Items, ""))
		for _, i := range p.Items {
			i.Subject("")
		}
	})
}
