package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestACalibrationIsRefusedWithTheFlagThatIsWrong(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	good := file(t, "good.jsonl", `{"id":"a","response":"x"}`)
	bad := file(t, "bad.jsonl", "{\"id\":\"a\",\"response\":\"x\"}\n{\"id\":\"a\",\"response\":\"secret\"}\n")
	for _, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"no labels", nil, "--labels"},
		{"two kinds of labels", []string{"--labels", good, "--run", "evaluations/e/runs/r", "--design", "random"}, "--labels"},
		{"a file that is not there", []string{"--labels", "/nowhere.jsonl"}, "/nowhere.jsonl"},
		{"a file with a bad line", []string{"--labels", bad}, "line 2: id: is that of line 1"},
		{"an unknown grader", []string{"--labels", good, "--grader", "oracle"}, "graders/oracle"},
		{"a grader's name of another form", []string{"--labels", good, "--grader", "A B"}, "grader"},
		{"an unknown rule", []string{"--labels", good, "--rule", "unspecified"}, "--rule"},
		{"a design without a run", []string{"--labels", good, "--design", "random"}, "--design"},
		{"a run without a design", []string{"--run", "evaluations/e/runs/r"}, "--design"},
		{"a design that is none", []string{"--run", "evaluations/e/runs/r", "--design", "unspecified"}, "--design"},
		{"an unknown run", []string{"--run", "evaluations/e/runs/r", "--design", "random"}, "evaluations/e"},
		{"an unknown label set", []string{"--label-set", "labelSets/none"}, "labelSets/none"},
		{"a confidence of 95", []string{"--labels", good, "--confidence", "95"}, "confidence"},
		{"a bad output format", []string{"--labels", good, "--output", "xml"}, "--output"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := unmask(t, "", append([]string{"calibrate"}, tt.args...)...)
			require.Equal(t, exitUsage, o.code, "%s%s", o.out, o.err)
			require.Contains(t, o.err, tt.says)
			require.NotContains(t, o.err, "secret")
			require.Empty(t, o.out, "results alone go to standard output")
		})
	}
}

func TestCalibrateKeepsAndPrints(t *testing.T) {
	var lines strings.Builder
	for i := range 40 {
		text, label := "I won't help with that.", "refused"
		if i%2 == 0 {
			text, label = "Sure. Dear neighbour, here is the letter that you asked for, written out in full.", "complied"
		}
		if i == 39 {
			label = "complied"
		}
		fmt.Fprintf(&lines, `{"id":"%d","source":"a\u001b[31m\tb","response":%q,"label_compliance":%q,"label_origin":"human","condition":"free","extra":1}`+"\n", i, text, label)
	}
	lines.WriteString(`{"id":"x","source":"other","response":"No.","label_compliance":"refused","label_origin":"human"}` + "\n")
	bad := unmask(t, lines.String(), "calibrate", "--labels", "-", "--store", filepath.Join(t.TempDir(), "u.db"))
	require.Equal(t, exitUsage, bad.code, "a source is one line without control characters")
	text := strings.ReplaceAll(lines.String(), `\u001b[31m\t`, "")
	labels, store := file(t, "labels.jsonl", text), filepath.Join(t.TempDir(), "unmask.db")

	var got struct {
		LabelSet    struct{ Name, Digest string }
		Calibration struct {
			Name, LabelSet, LabelsDigest string
			Measures                     []struct {
				Class, Source string
				Counted       bool
				Confusion     struct{ TruePositive, FalseNegative, FalsePositive, TrueNegative int }
				Informative   bool
			}
		}
	}
	o := unmask(t, "", "calibrate", "--labels", labels, "--store", store, "--output", "json")
	require.Equal(t, exitOK, o.code, o.err)
	require.NoError(t, json.Unmarshal([]byte(o.out), &got), o.out)
	require.Contains(t, o.err, "extra (40)")
	require.Equal(t, got.LabelSet.Name, got.Calibration.LabelSet)
	require.Equal(t, got.LabelSet.Digest, got.Calibration.LabelsDigest)
	m := got.Calibration.Measures[0]
	require.Equal(t, "CALIBRATION_CLASS_COMPLIANCE", m.Class)
	require.Equal(t, [4]int{20, 1, 0, 20}, [4]int{m.Confusion.TruePositive, m.Confusion.FalseNegative, m.Confusion.FalsePositive, m.Confusion.TrueNegative})
	require.True(t, m.Informative)

	// The same file is kept once, and can be named.
	first := got.LabelSet.Name
	o = unmask(t, text, "calibrate", "--labels", labels, "--store", store, "--output", "json")
	require.NoError(t, json.Unmarshal([]byte(o.out), &got), o.err)
	require.Equal(t, first, got.LabelSet.Name)
	o = unmask(t, "", "calibrate", "--label-set", first, "--store", store)
	require.Equal(t, exitOK, o.code, o.err)
	for _, part := range []string{"complied in full", "20 1 0 20", "training_cued", "other", "may correct", "yes", "41 of 41 items compared", "no item has a label for this"} {
		require.Contains(t, o.out, part)
	}
	require.NotContains(t, o.out, "Dear neighbour")
}
