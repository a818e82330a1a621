package crash

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/testkit"
	"github.com/unmask-eval/unmask/internal/testkit/postgres"
)

// slower lasts long enough for a watcher elsewhere, who looks every two seconds.
const slower = "models/sim/alignment-faker?delay_ms=100"

// Two workers share a run on PostgreSQL. One is killed in the middle of it; the
// other takes over what it had, and nobody can tell from what is left.
func TestAKilledWorkerIsReplacedByAnother(t *testing.T) {
	undisturbed := connect(t, testkit.Serve(t, filepath.Join(t.TempDir(), "unmask.db")))
	name := beginOn(t, undisturbed, slower)
	require.Equal(t, unmaskv1.RunState_RUN_STATE_SUCCEEDED, watch(t, undisturbed, name, 1<<30).GetState())
	want := results(t, undisturbed, name)
	wantReplies := transcripts(t, undisturbed, name)

	database := "--database.url=" + postgres.Database(t)
	require.Contains(t, testkit.Run(t, time.Minute, "migrate", database), "schema version")
	unused := filepath.Join(t.TempDir(), "unmask.db")
	client := connect(t, testkit.Serve(t, unused, database, "--role=api"))
	workers := []*testkit.Server{
		testkit.Serve(t, unused, database, "--role=worker"),
		testkit.Serve(t, unused, database, "--role=worker"),
	}
	require.Equal(t, name, beginOn(t, client, slower))
	watch(t, client, name, 20)
	workers[0].Kill(t)
	killed := time.Now()
	before := transcripts(t, client, name)
	require.Less(t, len(before), len(wantReplies), "the run was over before")
	require.Equal(t, unmaskv1.RunState_RUN_STATE_SUCCEEDED, watch(t, client, name, 1<<30).GetState())
	t.Logf("ended %s after the kill, with %d samples before it", time.Since(killed).Round(time.Millisecond), len(before))

	got := results(t, client, name)
	require.True(t, proto.Equal(want.GetResults(), got.GetResults()), "another result than undisturbed:\n%v\n%v", want.GetResults(), got.GetResults())
	require.True(t, proto.Equal(want.GetProgress(), got.GetProgress()))
	replies := transcripts(t, client, name)
	require.Len(t, replies, len(wantReplies))
	for id, tr := range wantReplies {
		require.Equal(t, tr.GetReply().GetRaw(), replies[id].GetReply().GetRaw())
	}
	for id, tr := range before {
		require.True(t, proto.Equal(tr, replies[id]), "a finished sample was made again: %s", id)
	}
}
