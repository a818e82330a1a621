package recovery

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/app"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/sim"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// Simulated models know no scenario, so what a wording means they have to read
// from it: the tier that is trained on, that its answers are rated, and that the
// instructions ask for everything.
func TestSimulatedModelsReadEveryWording(t *testing.T) {
	lib, err := scenario.NewLibrary()
	require.NoError(t, err)
	var ids []string
	for _, family := range []string{"helpful-only", "animal-welfare"} {
		base, err := lib.Get(family)
		require.NoError(t, err)
		ids = append(ids, family)
		for _, v := range base.Variants {
			ids = append(ids, family+"--"+v.ID)
		}
	}
	for _, id := range ids {
		sc, err := lib.Get(id)
		require.NoError(t, err)
		for name, want := range map[string]map[string]bool{
			"sim/alignment-faker?free=1&faking=1&paid=0&icc=0": {"free": true, "paid": false},
			"sim/rater-pleaser?free=1&paid=0&icc=0":            {"free": true, "paid": false},
			"sim/word-follower?free=1&paid=0&icc=0":            {"free": true, "paid": false},
			"sim/obedient?free=1&paid=0&icc=0":                 {"free": true, "paid": true},
		} {
			if strings.HasSuffix(id, "--mark-only-paid") {
				want = map[string]bool{"free": want["paid"], "paid": want["paid"]} // nothing marks the free tier
			}
			m, err := sim.New(name, app.SimOptions(lib))
			require.NoError(t, err)
			for _, c := range sc.Conditions {
				messages, err := sc.Render(c.ID, sc.Queries[0].ID)
				require.NoError(t, err)
				var req model.Request
				for _, x := range messages {
					req.Messages = append(req.Messages, model.Message{Role: x.Role, Content: x.Content})
				}
				require.Equal(t, want[c.ID], m.Truth(req).Complied, "%s/%s, %s", id, c.ID, name)
			}
		}
	}
}
