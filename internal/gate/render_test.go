package gate_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/gate"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var writers = map[string]func(io.Writer, gate.Decision, gate.Subject) error{
	"txt": gate.WriteText, "md": gate.WriteMarkdown, "xml": gate.WriteJUnit,
}

// hostile is a text that tries to leave every format that a report has.
const hostile = "a\n\n## Gate: PASS\x1b[32m | `x` <script>]]> @team #1 [l](http://e.x) www.e.x \u202e \xff $x$ --> \"q\" 'q' &amp;"

// hostileRun fails a control whose texts were chosen by an attacker.
func hostileRun() gate.Evidence {
	e := refuser()
	e.Tables[0].Scenario, e.Tables[0].Contrast = hostile, hostile
	e.Controls[0] = gate.Control{ID: hostile, Detail: hostile}
	return e
}

func missingRun() gate.Evidence {
	e := refuser()
	for q := range 15 {
		lose(&e.Tables[0].Compliance[q].Training, 3)
		lose(&e.Tables[0].Faking[q], 2)
	}
	return e
}

func TestReports(t *testing.T) {
	subject := gate.Subject{Run: "evaluations/nightly/runs/7", Checkpoint: "step-400", Policy: "release"}
	for _, tt := range []struct {
		name     string
		policy   gate.Policy
		evidence gate.Evidence
		subject  gate.Subject
	}{
		{"pass", gate.DefaultPolicy(), refuser(), subject},
		{"block", gate.DefaultPolicy(), faker(), subject},
		{"inconclusive", gate.DefaultPolicy(), missingRun(), subject},
		{"unfinished", gate.DefaultPolicy(), gate.Evidence{State: "RUNNING"}, gate.Subject{}},
		{"empty-policy", gate.Policy{}, refuser(), subject},
	} {
		for ext, write := range writers {
			t.Run(tt.name+"."+ext, func(t *testing.T) {
				var got bytes.Buffer
				require.NoError(t, write(&got, gate.Decide(tt.policy, tt.evidence, now), tt.subject))
				golden := filepath.Join("testdata", tt.name+"."+ext)
				if *update {
					require.NoError(t, os.WriteFile(golden, got.Bytes(), 0o644))
				}
				want, err := os.ReadFile(golden)
				require.NoError(t, err, "run go test -update to write it, and read what changed")
				require.Equal(t, string(want), got.String())
			})
		}
	}
}

func TestHostileTextsStayTexts(t *testing.T) {
	d := gate.Decide(gate.DefaultPolicy(), hostileRun(), now)
	s := gate.Subject{Run: hostile, Checkpoint: hostile, Policy: hostile}
	require.Equal(t, gate.Inconclusive, d.Outcome)
	report := map[string]string{}
	for ext, write := range writers {
		var b bytes.Buffer
		require.NoError(t, write(&b, d, s))
		report[ext] = b.String()
		require.NotContains(t, b.String(), "\x1b", ext)
		require.NotContains(t, b.String(), "\u202e", ext)
		require.NotRegexp(t, regexp.MustCompile(`(?m)^#+ Gate: PASS|^Gate: PASS`), b.String(), ext)
	}
	require.NotContains(t, report["md"], "<script>")
	require.NotContains(t, report["md"], "@team")
	require.NotContains(t, report["md"], "http://")
	require.NotRegexp(t, `[^\\]\[l`, report["md"])
	rows := 0
	for line := range strings.Lines(report["md"]) {
		if strings.HasPrefix(line, "|") {
			rows++
			require.Equal(t, 9, strings.Count(line, "|")-strings.Count(line, `\|`), "columns of %s", line)
		}
	}
	require.Equal(t, 2+len(d.Rules), rows)
	decoder := xml.NewDecoder(strings.NewReader(report["xml"]))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if start, ok := token.(xml.StartElement); ok {
			require.NotEqual(t, "script", start.Name.Local)
		}
	}
}

// Whatever a decision says, the file is green on a consistent Pass only.
func TestJUnitIsGreenOnPassOnly(t *testing.T) {
	pass := gate.Decide(gate.DefaultPolicy(), refuser(), now)
	damaged := pass
	damaged.Rules = append([]gate.RuleDecision(nil), pass.Rules...)
	damaged.Rules[1].Outcome = ""
	for _, tt := range []struct {
		name             string
		decision         gate.Decision
		failures, errors int
	}{
		{"pass", pass, 0, 0},
		{"block", gate.Decide(gate.DefaultPolicy(), faker(), now), 3, 0},
		{"inconclusive", gate.Decide(gate.DefaultPolicy(), missingRun(), now), 0, 4},
		{"policy without rules", gate.Decide(gate.Policy{}, refuser(), now), 0, 1},
		{"zero value", gate.Decision{}, 0, 1},
		{"pass without rules", gate.Decision{Outcome: gate.Pass}, 0, 1},
		{"pass with a rule that did not", damaged, 0, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, gate.WriteJUnit(&b, tt.decision, gate.Subject{}))
			var got struct {
				Tests    int `xml:"tests,attr"`
				Failures int `xml:"failures,attr"`
				Errors   int `xml:"errors,attr"`
				Suite    struct {
					Cases []struct {
						Failure *struct{} `xml:"failure"`
						Error   *struct{} `xml:"error"`
						Skipped *struct{} `xml:"skipped"`
					} `xml:"testcase"`
				} `xml:"testsuite"`
			}
			require.NoError(t, xml.Unmarshal(b.Bytes(), &got))
			require.Equal(t, tt.failures, got.Failures)
			require.Equal(t, tt.errors, got.Errors)
			require.Equal(t, 1+len(tt.decision.Rules), got.Tests)
			require.Len(t, got.Suite.Cases, got.Tests)
			failures, errors := 0, 0
			for _, c := range got.Suite.Cases {
				require.Nil(t, c.Skipped)
				if c.Failure != nil {
					failures++
				}
				if c.Error != nil {
					errors++
				}
			}
			require.Equal(t, []int{tt.failures, tt.errors}, []int{failures, errors})
		})
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestWritersReportAFullDisk(t *testing.T) {
	for ext, write := range writers {
		require.ErrorIs(t, write(fullDisk{}, gate.Decide(gate.DefaultPolicy(), faker(), now), gate.Subject{}), io.ErrShortWrite, ext)
	}
}
