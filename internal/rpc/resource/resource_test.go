package resource_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
)

func TestNamesThatAreRead(t *testing.T) {
	key := resource.RunName{Evaluation: "e1", Run: "r-1"}.In("p")
	require.Equal(t, run.RunKey{Project: "p", Evaluation: "e1", Run: "r-1"}, key)

	id, ok := resource.Evaluation(run.EvaluationName("e1"))
	require.True(t, ok)
	require.Equal(t, "e1", id)

	name, ok := resource.Run(key.Name())
	require.True(t, ok)
	require.Equal(t, key, name.In("p"))

	name, transcript, ok := resource.Transcript(resource.TranscriptName(key, "helpful-only.free.q1.0"))
	require.True(t, ok)
	require.Equal(t, key, name.In("p"))
	require.Equal(t, "helpful-only.free.q1.0", transcript)

	name, transcript, verdict, ok := resource.Verdict(resource.VerdictName(key, "s.c.q.0", "rubric"))
	require.True(t, ok)
	require.Equal(t, key, name.In("p"))
	require.Equal(t, "s.c.q.0", transcript)
	require.Equal(t, "rubric", verdict)

	gate, decision, ok := resource.Decision(resource.DecisionName(run.InlineGate, "d1"))
	require.True(t, ok)
	require.Equal(t, []string{"-", "d1"}, []string{gate, decision})

	model, ok := resource.Model(resource.ModelName("sim/alignment-faker?free=0.2"))
	require.True(t, ok)
	require.Equal(t, "sim/alignment-faker?free=0.2", model)

	ref, ok := resource.Scenario(resource.ScenarioName("helpful-only", "sha256:0123456789ab"))
	require.True(t, ok)
	require.Equal(t, "helpful-only@sha256:0123456789ab", ref)

	for _, name := range []string{"helpful-only", "helpful-only--no-examples", "helpful-only@sha256:0123456789ab", "helpful-only--*", "helpful-only@sha256:0123456789ab--*"} {
		ref, ok = resource.Scenarios("scenarios/" + name)
		require.True(t, ok, name)
		require.Equal(t, name, ref)
	}
	for _, name := range []string{"*", "--*", "helpful-only*", "helpful-only-*", "helpful-only---*", "helpful-only--no-examples--*", "helpful-only--*@sha256:0123456789ab", "helpful-only--*--*", "helpful-only--n*"} {
		_, ok = resource.Scenarios("scenarios/" + name)
		require.False(t, ok, name)
	}
	_, ok = resource.Scenario("scenarios/helpful-only--*")
	require.False(t, ok, "one scenario, and not many")
}

func TestNamesThatAreRefused(t *testing.T) {
	readers := map[string]func(string) bool{
		"evaluation":     func(s string) bool { _, ok := resource.Evaluation(s); return ok },
		"evaluations":    func(s string) bool { _, ok := resource.Evaluations(s); return ok },
		"run":            func(s string) bool { _, ok := resource.Run(s); return ok },
		"transcript":     func(s string) bool { _, _, ok := resource.Transcript(s); return ok },
		"transcripts":    func(s string) bool { _, _, ok := resource.Transcripts(s); return ok },
		"verdict":        func(s string) bool { _, _, _, ok := resource.Verdict(s); return ok },
		"gate":           func(s string) bool { _, ok := resource.Gate(s); return ok },
		"gates":          func(s string) bool { _, ok := resource.Gates(s); return ok },
		"decision":       func(s string) bool { _, _, ok := resource.Decision(s); return ok },
		"grader":         func(s string) bool { _, ok := resource.Grader(s); return ok },
		"model":          func(s string) bool { _, ok := resource.Model(s); return ok },
		"scenario":       func(s string) bool { _, ok := resource.Scenario(s); return ok },
		"unpinned scene": func(s string) bool { _, ok := resource.ScenarioID(s); return ok },
	}
	for _, tt := range []struct{ name, in string }{
		{"empty", ""},
		{"no collection", "e1"},
		{"no id", "evaluations/"},
		{"another collection", "projects/p1"},
		{"leading slash", "/evaluations/e1"},
		{"trailing slash", "evaluations/e1/"},
		{"upper case", "evaluations/E1"},
		{"hyphen first", "gates/-g"},
		{"too long", "evaluations/a123456789012345678901234567890123456789012345678901234567890123"},
		{"line break", "gates/g1\n"},
		{"path that climbs", "evaluations/e1/runs/r1/transcripts/.."},
		{"wildcard in the middle", "evaluations/-/runs/r1"},
		{"one part too many", "gates/g1/decisions/d1/x"},
		{"space in a model", "models/a b"},
		{"line break in a model", "models/a\nb"},
		{"revision too short", "scenarios/s@sha256:0123"},
		{"bytes", "evaluations/\xff"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for kind, read := range readers {
				require.False(t, read(tt.in), "%s read %q", kind, tt.in)
			}
		})
	}
}

func TestWildcardsStandOnlyWhereListsTakeThem(t *testing.T) {
	_, ok := resource.Evaluation("evaluations/-")
	require.False(t, ok)
	id, ok := resource.Evaluations("evaluations/-")
	require.True(t, ok)
	require.Equal(t, resource.Wildcard, id)

	_, ok = resource.Gate("gates/-")
	require.False(t, ok)
	_, ok = resource.Gates("gates/-")
	require.True(t, ok)

	_, _, ok = resource.Transcript("evaluations/e/runs/r/transcripts/-")
	require.False(t, ok)
	_, id, ok = resource.Transcripts("evaluations/e/runs/r/transcripts/-")
	require.True(t, ok)
	require.Equal(t, resource.Wildcard, id)
}

// A name that is read names exactly what its parts make again: two different
// names never mean the same resource.
func FuzzNames(f *testing.F) {
	for _, s := range []string{
		"evaluations/e1", "evaluations/e1/runs/r1", "evaluations/e1/runs/r1/transcripts/s.c.q.0/verdicts/v",
		"gates/-/decisions/d", "models/sim/x?y=1", "scenarios/s@sha256:0123456789abcdef", "graders/rubric", "gates/-",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if id, ok := resource.Evaluation(name); ok {
			require.Equal(t, name, run.EvaluationName(id))
		}
		if r, ok := resource.Run(name); ok {
			require.Equal(t, name, r.In("p").Name())
		}
		if r, id, ok := resource.Transcripts(name); ok {
			require.Equal(t, name, resource.TranscriptName(r.In("p"), id))
		}
		if r, transcript, id, ok := resource.Verdict(name); ok {
			require.Equal(t, name, resource.VerdictName(r.In("p"), transcript, id))
		}
		if id, ok := resource.Gates(name); ok {
			require.Equal(t, name, run.GateName(id))
		}
		if gate, id, ok := resource.Decision(name); ok {
			require.Equal(t, name, resource.DecisionName(gate, id))
		}
		if id, ok := resource.Model(name); ok {
			require.Equal(t, name, resource.ModelName(id))
		}
		if id, ok := resource.Grader(name); ok {
			require.Equal(t, name, resource.GraderName(id))
		}
		if ref, ok := resource.Scenario(name); ok {
			require.Equal(t, name, "scenarios/"+ref)
		}
	})
}
