package chaos

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/testkit"
)

// A second process on an SQLite file is refused, whatever it is to do, and the first
// one goes on; when that is killed, the file is free at once.
func TestASecondProcessOnAnSQLiteFileIsRefused(t *testing.T) {
	e := newEndpoint(t, 0, 0)
	c := newCluster(t, e, nil)
	name := c.begin(t)
	c.await(t, name, 20)
	store := filepath.Join(c.dir, "unmask.db")
	for _, args := range [][]string{
		{"serve", "--server.grpc-addr=127.0.0.1:0", "--server.http-addr=127.0.0.1:0", "--server.ops-addr=127.0.0.1:0", "--store.path=" + store},
		{"serve", "--role=worker", "--server.ops-addr=127.0.0.1:0", "--store.path=" + store},
		{"run", "--resume=" + name, "--base-url=http://" + e.addr + "/v1", "--model-id=sim/honest", "--store=" + store},
		{"migrate", "--store.path=" + store},
	} {
		require.Contains(t, testkit.Run(t, time.Minute, args...), "only one process at a time can use it", "%v", args)
	}
	before := c.transcripts(t, name)
	c.replicas[0].Kill(t)
	c.start(t, 0)
	after := c.transcripts(t, name)
	for id := range before {
		require.Contains(t, after, id)
	}
	require.LessOrEqual(t, e.repeated(), concurrency)
	r := c.finish(t, name)
	require.Equal(t, unmaskv1.RunState_RUN_STATE_SUCCEEDED, r.GetState(), "%s", r.GetError())
	require.Len(t, c.transcripts(t, name), int(r.GetProgress().GetPlanned()))
}

// An endpoint that garbles some samples every time costs those samples, which are
// counted by their cause and have no reply, and no others.
func TestSamplesOfExhaustedAttemptsAreCountedErrors(t *testing.T) {
	e := newEndpoint(t, 3, 20)
	e.lasting = true
	c := &cluster{endpoint: e, dir: t.TempDir()}
	settings := filepath.Join(c.dir, "unmask.yaml")
	require.NoError(t, os.WriteFile(settings, []byte("models:\n- {name: chaos, model_id: 'sim/alignment-faker', base_url: 'http://"+e.addr+"/v1', timeout: 1s, max_attempts: 2}\n"), 0o600))
	c.args, c.replicas = []string{"--config=" + settings}, make([]*testkit.Server, 1)
	c.start(t, 0)
	name := c.begin(t)
	c.await(t, name, 50)
	c.replicas[0].Kill(t)
	c.start(t, 0)
	r := c.finish(t, name)
	require.Equal(t, unmaskv1.RunState_RUN_STATE_SUCCEEDED, r.GetState(), "%s", r.GetError())
	failed := 0
	for id, tr := range c.transcripts(t, name) {
		bad := e.kind(tr.GetSeed()) != none && e.kind(tr.GetSeed()) != slow
		require.Equal(t, bad, tr.GetError() != nil, "%s: %v", id, tr.GetError())
		if !bad {
			continue
		}
		failed++
		require.Empty(t, tr.GetReply().GetRaw(), "a reply was invented")
		require.Equal(t, int32(2), tr.GetError().GetAttempts())
	}
	require.Positive(t, failed)
	require.Equal(t, int32(failed), r.GetProgress().GetErrors()) //nolint:gosec // few
	require.Equal(t, r.GetProgress().GetPlanned(), r.GetProgress().GetFinished())
}
