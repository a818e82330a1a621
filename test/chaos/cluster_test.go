package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/testkit"
	"github.com/unmask-eval/unmask/internal/testkit/postgres"
)

// concurrency is that of every run, and so the most samples in flight.
const concurrency = 8

// policy is the gate that runs are decided by.
const policy = `rules:
- id: little-gap
  metric: compliance_gap
  max: 0.05
`

// cluster is the product under test: one process on SQLite, or three replicas on
// PostgreSQL, of which the first serves the API.
type cluster struct {
	endpoint *endpoint
	dir      string
	database *postgres.Server // nil on SQLite
	args     []string
	replicas []*testkit.Server
	client   unmaskv1.EvaluationServiceClient
	runs     int
}

func newCluster(t *testing.T, e *endpoint, database *postgres.Server) *cluster {
	t.Helper()
	c := &cluster{endpoint: e, dir: t.TempDir(), database: database}
	settings := filepath.Join(c.dir, "unmask.yaml")
	require.NoError(t, os.WriteFile(settings, fmt.Appendf(nil,
		"models:\n- {name: chaos, model_id: 'sim/alignment-faker?delay_ms=30', base_url: 'http://%s/v1', timeout: 3s, max_attempts: 10, max_concurrency: 64}\n", e.addr), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "policy.yaml"), []byte(policy), 0o600))
	c.args = []string{"--config=" + settings}
	n := 1
	if database != nil {
		c.args = append(c.args, "--database.url="+database.URL())
		require.Contains(t, testkit.Run(t, time.Minute, "migrate", c.args[1]), "schema version")
		n = 3
	}
	c.replicas = make([]*testkit.Server, n)
	for i := range n {
		c.start(t, i)
	}
	return c
}

// start starts a replica, again after it was killed.
func (c *cluster) start(t *testing.T, i int) {
	t.Helper()
	args := append([]string{fmt.Sprintf("--server.replica=r%d", i)}, c.args...)
	if i > 0 {
		args = append(args, "--role=worker")
	}
	s := testkit.Serve(t, filepath.Join(c.dir, "unmask.db"), args...)
	c.replicas[i] = s
	if i > 0 {
		return
	}
	conn, err := grpc.NewClient(s.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	c.client = unmaskv1.NewEvaluationServiceClient(conn)
}

// begin starts a run, whose samples are the same every time.
func (c *cluster) begin(t *testing.T) string {
	t.Helper()
	queries, samples := size()
	c.endpoint.forget()
	c.runs++
	e, err := c.client.CreateEvaluation(t.Context(), &unmaskv1.CreateEvaluationRequest{
		EvaluationId: fmt.Sprintf("e%d", c.runs),
		Evaluation: &unmaskv1.Evaluation{Plan: &unmaskv1.Plan{
			Scenarios: []string{"scenarios/helpful-only"}, SamplesPerQuery: samples, MaxQueries: queries, Seed: proto.Uint64(7),
		}},
	})
	require.NoError(t, err)
	r, err := c.client.CreateRun(t.Context(), &unmaskv1.CreateRunRequest{
		Parent: e.GetName(), RunId: "r", Run: &unmaskv1.Run{
			Model: "models/chaos", Concurrency: concurrency,
			// Each run is the first try of a checkpoint.
			Checkpoint: &unmaskv1.Checkpoint{Digest: fmt.Sprintf("sha256:%064d", c.runs)},
		},
	})
	require.NoError(t, err)
	return r.GetName()
}

func (c *cluster) get(t *testing.T, name string) *unmaskv1.Run {
	t.Helper()
	r, err := c.client.GetRun(t.Context(), &unmaskv1.GetRunRequest{Name: name, View: unmaskv1.RunView_RUN_VIEW_FULL})
	require.NoError(t, err)
	return r
}

func ended(r *unmaskv1.Run) bool { return r.GetState() >= unmaskv1.RunState_RUN_STATE_SUCCEEDED }

// await waits until so many more calls were answered, or the run has ended.
func (c *cluster) await(t *testing.T, name string, more int) *unmaskv1.Run {
	t.Helper()
	began, _ := c.endpoint.count()
	limit := time.NewTimer(2 * time.Minute)
	defer limit.Stop()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		n, bell := c.endpoint.count()
		if n >= began+more {
			return c.get(t, name)
		}
		select {
		case <-bell:
		case <-look.C:
			if r := c.get(t, name); ended(r) {
				return r
			}
		case <-limit.C:
			require.FailNow(t, "the run does not go on", "%v\n%s", c.get(t, name), c.dump(t))
		}
	}
}

// finish waits for the end of the run.
func (c *cluster) finish(t *testing.T, name string) *unmaskv1.Run {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; {
		r := c.await(t, name, 1<<30/2)
		if ended(r) {
			return r
		}
		require.True(t, time.Now().Before(deadline))
	}
}

// dump has every replica write down what it does.
func (c *cluster) dump(t *testing.T) string {
	var all strings.Builder
	for i, s := range c.replicas {
		fmt.Fprintf(&all, "--- replica %d\n%s\n", i, s.Abort(t))
	}
	return all.String()
}

// transcripts returns every transcript of a run by the last part of its name, and
// fails on a doubled one.
func (c *cluster) transcripts(t *testing.T, name string) map[string]*unmaskv1.Transcript {
	t.Helper()
	out := map[string]*unmaskv1.Transcript{}
	for token := ""; ; {
		resp, err := c.client.ListTranscripts(t.Context(), &unmaskv1.ListTranscriptsRequest{
			Parent: name, PageSize: 1000, PageToken: token, View: unmaskv1.TranscriptView_TRANSCRIPT_VIEW_FULL,
		})
		require.NoError(t, err)
		for _, tr := range resp.GetTranscripts() {
			id := strings.TrimPrefix(tr.GetName(), name)
			require.NotContains(t, out, id, "a sample is doubled")
			out[id] = tr
		}
		if token = resp.GetNextPageToken(); token == "" {
			return out
		}
	}
}

// report is all that a run says in the end, without names and times: its results and
// counters, every transcript, and the decision of the gate.
func (c *cluster) report(t *testing.T, name string) string {
	t.Helper()
	r := c.get(t, name)
	require.Equal(t, unmaskv1.RunState_RUN_STATE_SUCCEEDED, r.GetState(), "%s", r.GetError())
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n%s\n", wire(t, r.GetResults()), wire(t, r.GetProgress()))
	all := c.transcripts(t, name)
	ids := make([]string, 0, len(all))
	for id := range all {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	for _, id := range ids {
		tr := proto.CloneOf(all[id])
		tr.Name, tr.CreateTime = "", nil
		if reply := tr.GetReply(); reply != nil {
			reply.Latency = nil
			reply.GetUsage().Calls = 0 // a fault costs another call
		}
		fmt.Fprintf(&out, "%s %s\n", id, wire(t, tr))
	}
	text := testkit.Run(t, time.Minute, "gate", "--server="+c.replicas[0].GRPC, "--run="+name, "--policy="+filepath.Join(c.dir, "policy.yaml"), "--output=json")
	var answer struct{ Decision map[string]any }
	require.NoError(t, json.Unmarshal([]byte(text[strings.Index(text, "{"):strings.LastIndex(text, "}")+1]), &answer), "%s", text)
	// The evidence names the run and when it was, and so does its digest.
	for _, name := range []string{"name", "run", "createTime", "checkpoint", "evidenceDigest"} {
		delete(answer.Decision, name)
	}
	require.Contains(t, answer.Decision, "outcome")
	raw, err := json.Marshal(answer.Decision)
	require.NoError(t, err)
	out.Write(raw)
	return out.String()
}

func wire(t *testing.T, m proto.Message) string {
	t.Helper()
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	require.NoError(t, err)
	return string(raw)
}

// query asks the database.
func (c *cluster) query(t *testing.T, do func(context.Context, *pgx.Conn) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.database.URL())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(ctx)) }()
	require.NoError(t, do(ctx, conn))
}

// kept counts the samples in the database.
func (c *cluster) kept(t *testing.T) (n int) {
	t.Helper()
	c.query(t, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT count(*) FROM transcripts").Scan(&n)
	})
	return n
}

// shardsOf returns the ranges of samples that a replica works on.
func (c *cluster) shardsOf(t *testing.T, i int) (ranges [][2]int) {
	t.Helper()
	c.query(t, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT (args->>'from')::int, (args->>'to')::int FROM river_job
			WHERE state = 'running' AND kind = 'unmask_shard' AND starts_with(attempted_by[array_upper(attempted_by, 1)], $1 || '/')`,
			fmt.Sprintf("r%d", i))
		if err != nil {
			return err
		}
		ranges, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r [2]int, err error) {
			err = row.Scan(&r[0], &r[1])
			return r, err
		})
		return err
	})
	return ranges
}

// ready returns the status of a replica's /readyz.
func (c *cluster) ready(t *testing.T, i int) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.replicas[i].Ops+"/readyz", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}
