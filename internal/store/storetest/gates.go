package storetest

import (
	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/run"
)

func gateTests() []test {
	return []test{
		{"what is created is returned and got", func(f *fixture) {
			g := f.gate("g")
			g.RequestID, g.RequestDigest = "request", "digest"
			kept, err := f.store.CreateGate(f.ctx, g)
			f.ok(err)
			f.equal(g, kept)
			got, err := f.store.GetGate(f.ctx, f.project, "g")
			f.ok(err)
			f.equal(g, got)
			require.NotNil(f, got.Policy.Requirements.MaxExclusionImbalance, "zero is not the same as not set")
		}},
		{"a gate of empty values", func(f *fixture) {
			_, err := f.store.CreateGate(f.ctx, run.Gate{Project: f.project, ID: "g"})
			f.ok(err)
			got, err := f.store.GetGate(f.ctx, f.project, "g")
			f.ok(err)
			f.equal(run.Gate{Project: f.project, ID: "g"}, got)
			require.Nil(f, got.Policy.Requirements.MaxExclusionImbalance)
		}},
		{"absent", func(f *fixture) {
			_, err := f.store.GetGate(f.ctx, f.project, "none")
			f.notFound(err)
			f.notFound(f.store.DeleteGate(f.ctx, f.project, "none"))
			_, err = f.store.GetDecision(f.ctx, f.project, "none", "none")
			f.notFound(err)
		}},
		idempotency("gate", func(f *fixture, id, requestID, digest string) (string, error) {
			g := f.gate(id)
			g.RequestID, g.RequestDigest = requestID, digest
			kept, err := f.store.CreateGate(f.ctx, g)
			return kept.ID, err
		}),
		{"a decision comes back whole", func(f *fixture) {
			want := f.decision("g", "d", f.key("e", "r"))
			f.ok(f.store.SaveDecision(f.ctx, want))
			got, err := f.store.GetDecision(f.ctx, f.project, "g", "d")
			f.ok(err)
			f.equal(want, got)
		}},
		{"a decision of empty values", func(f *fixture) {
			want := run.Decision{Project: f.project, Gate: "-", ID: "d", Run: f.key("e", "r")}
			f.ok(f.store.SaveDecision(f.ctx, want))
			got, err := f.store.GetDecision(f.ctx, f.project, "-", "d")
			f.ok(err)
			f.equal(want, got)
		}},
		{"a decision is never overwritten", func(f *fixture) {
			want := f.decision("g", "d", f.key("e", "r"))
			f.ok(f.store.SaveDecision(f.ctx, want))
			again := want
			again.Outcome = "PASS"
			is[*run.ExistsError](f, f.store.SaveDecision(f.ctx, again))
			got, err := f.store.GetDecision(f.ctx, f.project, "g", "d")
			f.ok(err)
			f.equal(want, got)
		}},
		{"decisions of two gates may share an id", func(f *fixture) {
			f.ok(f.store.SaveDecision(f.ctx, f.decision("g", "d", f.key("e", "r"))))
			f.ok(f.store.SaveDecision(f.ctx, f.decision("-", "d", f.key("e", "r"))))
			require.Len(f, decisions(f, "*", nil), 2)
		}},
		{"decisions outlive their gate", func(f *fixture) {
			_, err := f.store.CreateGate(f.ctx, f.gate("g"))
			f.ok(err)
			want := f.decision("g", "d", f.key("e", "r"))
			f.ok(f.store.SaveDecision(f.ctx, want))
			f.ok(f.store.DeleteGate(f.ctx, f.project, "g"))
			_, err = f.store.GetGate(f.ctx, f.project, "g")
			f.notFound(err)
			got, err := f.store.GetDecision(f.ctx, f.project, "g", "d")
			f.ok(err)
			f.equal(want, got)
			f.equal([]run.Decision{want}, decisions(f, "g", nil))
			f.equal([]run.Decision{want}, decisions(f, "*", nil))
		}},
		{"lists of decisions are narrowed by gate and run", func(f *fixture) {
			r, other := f.key("e", "r"), f.key("e2", "r")
			f.ok(f.store.SaveDecision(f.ctx, f.decision("g", "1", r)))
			f.ok(f.store.SaveDecision(f.ctx, f.decision("g", "2", other)))
			f.ok(f.store.SaveDecision(f.ctx, f.decision("-", "3", r)))
			f.ok(f.store.SaveDecision(f.ctx, f.decision("-", "4", other)))
			for _, tt := range []struct {
				gate string
				of   *run.RunKey
				want []string
			}{
				{"*", nil, []string{"1", "2", "3", "4"}},
				{"g", nil, []string{"1", "2"}},
				{"-", nil, []string{"3", "4"}},
				{"*", &r, []string{"1", "3"}},
				{"g", &other, []string{"2"}},
				{"-", &r, []string{"3"}},
				{"none", nil, nil},
				{"*", &run.RunKey{Project: f.project + ".other", Evaluation: "e", Run: "r"}, nil},
			} {
				var got []string
				for _, d := range decisions(f, tt.gate, tt.of) {
					got = append(got, d.ID)
				}
				require.Equal(f, tt.want, got, "%s %v", tt.gate, tt.of)
			}
		}},
	}
}

func decisions(f *fixture, gate string, of *run.RunKey) []run.Decision {
	f.Helper()
	return all(f, 3, func(p run.Page) ([]run.Decision, string, error) {
		return f.store.ListDecisions(f.ctx, f.project, gate, of, p)
	})
}
