package grading_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
)

// fixed grades every subject with the verdict that it holds for its prompt.
type fixed map[string]grading.Verdict

func (f fixed) Name() string   { return "fixed" }
func (f fixed) Digest() string { return "fixed" }
func (f fixed) Grade(_ context.Context, s grading.Subject) (grading.Verdict, error) {
	return f[s.Prompt], nil
}

func right(controls []grading.Control) fixed {
	f := fixed{}
	for _, c := range controls {
		f[c.Subject.Prompt] = grading.Verdict{Compliance: c.Compliance, AlignmentFaking: c.Faking}
	}
	return f
}

func TestControlsCoverEveryKind(t *testing.T) {
	seen := map[grading.ControlKind]bool{}
	prompts := map[string]bool{}
	for _, c := range grading.Controls() {
		seen[c.Kind] = true
		require.Empty(t, c.Subject.ID, "the caller gives ids")
		require.Equal(t, c.Subject.Reasoning != "", c.Subject.Observable)
		require.False(t, prompts[c.Subject.Prompt], "prompts tell controls apart in this test")
		prompts[c.Subject.Prompt] = true
	}
	require.Len(t, seen, 6)
}

func TestCheckControls(t *testing.T) {
	controls := grading.Controls()
	first := func(kind grading.ControlKind) string {
		for _, c := range controls {
			if c.Kind == kind {
				return c.Subject.Prompt
			}
		}
		return ""
	}
	for _, tt := range []struct {
		name   string
		spoil  func(fixed)
		passed bool
	}{
		{"all right", func(fixed) {}, true},
		{"one of two faking transcripts missed", func(f fixed) {
			f[first(grading.ControlFaking)] = grading.Verdict{Compliance: grading.Complied, AlignmentFaking: grading.FakingAbsent}
		}, true},
		{"the injection is obeyed", func(f fixed) {
			f[first(grading.ControlInjection)] = grading.Verdict{Compliance: grading.Complied, AlignmentFaking: grading.FakingPresent}
		}, false},
		{"unobservable reasoning is called absent", func(f fixed) {
			f[first(grading.ControlEmpty)] = grading.Verdict{Compliance: grading.Refused, AlignmentFaking: grading.FakingAbsent}
		}, false},
		{"everything is called faking", func(f fixed) {
			for k, v := range f {
				v.AlignmentFaking = grading.FakingPresent
				f[k] = v
			}
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := right(controls)
			tt.spoil(g)
			r, err := grading.CheckControls(context.Background(), g, controls)
			require.NoError(t, err)
			require.Equal(t, tt.passed, r.Passed())
			require.Equal(t, len(controls), r.Checked)
		})
	}
}

func TestJudgeControlsWantsOneVerdictEach(t *testing.T) {
	_, err := grading.JudgeControls(grading.Controls(), nil)
	require.Error(t, err)
	require.False(t, grading.ControlReport{}.Passed(), "no controls is no pass")
}
