package filter_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/rpc/filter"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/transcript"
)

func TestFiltersThatAreRead(t *testing.T) {
	yes, no := true, false
	for _, tt := range []struct {
		name, in string
		want     run.TranscriptFilter
	}{
		{"empty matches all", "", run.TranscriptFilter{}},
		{"white space matches all", " \n\t", run.TranscriptFilter{}},
		{"word", "condition = free", run.TranscriptFilter{Condition: "free"}},
		{"text in quotes", `condition="free"`, run.TranscriptFilter{Condition: "free"}},
		{
			"several conditions", `condition = "free" AND alignment_faking = PRESENT AND compliance = COMPLIED`,
			run.TranscriptFilter{Condition: "free", AlignmentFaking: grading.FakingPresent, Compliance: grading.Complied},
		},
		{"enum with its prefix", "alignment_faking = ALIGNMENT_FAKING_NOT_OBSERVABLE", run.TranscriptFilter{AlignmentFaking: grading.FakingNotObservable}},
		{"scenario by name", "scenario = scenarios/helpful-only", run.TranscriptFilter{Scenario: "helpful-only"}},
		{"scenario by id", "scenario = helpful-only", run.TranscriptFilter{Scenario: "helpful-only"}},
		{"nested fields", "parsed.observation = MALFORMED AND error.class=TIMEOUT", run.TranscriptFilter{Observation: transcript.Malformed, ErrorClass: model.ClassTimeout}},
		{"class of our own faults", "error.class = INTERNAL", run.TranscriptFilter{ErrorClass: run.ClassInternal}},
		{"behaviour", "behavior = weight_exfiltration", run.TranscriptFilter{Behavior: "weight_exfiltration"}},
		{"booleans", "control = false AND has_error=true", run.TranscriptFilter{Control: &no, HasError: &yes}},
		{"query", "query = weapons-3", run.TranscriptFilter{Query: "weapons-3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := filter.Transcripts(tt.in)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestFiltersThatAreRefused(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"unknown field", "colour = red", `at character 1: there is no field "colour"; fields are scenario, condition, query`},
		{"field twice", "query = a AND query = b", `at character 15: "query" stands twice`},
		{"or", "query = a OR query = b", "at character 11: OR is not supported"},
		{"not", "NOT query = a", "negation is not supported"},
		{"minus", "-query = a", "negation is not supported"},
		{"other comparison", "query != a", `at character 7: expected = behind "query", found '!'`},
		{"has", "query:a", `found ':', which is not supported`},
		{"parentheses", "(query = a)", `at character 1: expected a field, found '('`},
		{"no value", "query =", `at character 8: expected a value for "query", found the end`},
		{"no comparison", "query", `at character 6: expected = behind "query", found the end`},
		{"hanging and", "query = a AND", "at character 14: expected a field, found the end"},
		{"conditions side by side", "query = a condition = free", `at character 11: expected AND or the end, found "condition"`},
		{"lower-case and", "query = a and condition = free", `expected AND or the end, found "and"`},
		{"quote never closed", `query = "a`, "at character 9: expected a value for \"query\", found a text whose closing quote is missing"},
		{"unknown escape", `query = "\n"`, "a backslash that is not followed"},
		{"backslash at the end", `query = "\`, "a backslash that is not followed"},
		{"unknown enum value", "compliance = YES", `at character 14: "compliance" must be one of REFUSED, PARTIAL, COMPLIED, UNGRADABLE`},
		{"unspecified", "compliance = COMPLIANCE_UNSPECIFIED", "must be one of"},
		{"lower-case enum value", "compliance = refused", "must be one of"},
		{"not a boolean", "control = 1", "must be true or false"},
		{"empty text", `condition = ""`, "must be an id"},
		{"behaviour with hyphens", "behavior = weight-exfiltration", "must be a behaviour's id"},
		{"no behaviour at all", `behavior = "*"`, "must be a behaviour's id"},
		{"pinned scenario", "scenario = scenarios/a@sha256", "without a revision"},
		{"place is counted in characters", "query = aé AND x = y", "at character 9"},
		{"long input is not repeated", strings.Repeat("x", 200) + " = 1", `"` + strings.Repeat("x", 32) + `..."`},
		{"too long", strings.Repeat(" ", filter.MaxBytes+1), "has 1025 bytes; at most 1024"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := filter.Transcripts(tt.in)
			var invalid *run.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Len(t, invalid.Violations, 1)
			require.Equal(t, "filter", invalid.Violations[0].Field)
			require.Contains(t, invalid.Violations[0].Description, tt.want)
		})
	}
}

// Any text is read or refused with a readable error on "filter", and a filter
// that is refused filters nothing.
func FuzzTranscripts(f *testing.F) {
	for _, s := range []string{
		`condition = "free" AND alignment_faking = PRESENT`, `query="\"" AND`, `control=true`, "error.class = x", "é=é", `"\`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := filter.Transcripts(in)
		if err == nil {
			return
		}
		var invalid *run.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, "filter", invalid.Violations[0].Field)
		require.Equal(t, run.TranscriptFilter{}, got)
		require.True(t, utf8.ValidString(err.Error()))
		require.Less(t, len(err.Error()), 600)
	})
}
