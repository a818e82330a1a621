package storetest

import (
	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/gate"
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
		{"earlier decisions are those on other runs of the checkpoint", func(f *fixture) {
			on := func(gateID, id string, key run.RunKey, checkpoint string) run.Decision {
				d := f.decision(gateID, id, key)
				d.Checkpoint = checkpoint
				f.ok(f.store.SaveDecision(f.ctx, d))
				d.Policy, d.Evidence = gate.Policy{}, gate.Evidence{}
				return d
			}
			r := f.key("e", "r")
			first := on("g", "1", f.key("e", "other"), "digest:a")
			on("g", "2", r, "digest:a")
			on("g", "3", f.key("e", "third"), "digest:b")
			on("g", "4", f.key("e", "fourth"), "")
			second := on("-", "5", f.key("e2", "r"), "digest:a")
			got, err := f.store.EarlierDecisions(f.ctx, f.project, "digest:a", r)
			f.ok(err)
			f.equal([]run.Decision{first, second}, got)
			for _, none := range []string{"", "digest:c"} {
				got, err = f.store.EarlierDecisions(f.ctx, f.project, none, r)
				f.ok(err)
				require.Empty(f, got)
			}
			got, err = f.store.EarlierDecisions(f.ctx, f.project+".other", "digest:a", r)
			f.ok(err)
			require.Empty(f, got)
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

func decisions(f *fixture, gateID string, of *run.RunKey) []run.Decision {
	f.Helper()
	return all(f, 3, func(p run.Page) ([]run.Decision, string, error) {
		return f.store.ListDecisions(f.ctx, f.project, gateID, of, p)
	})
}
