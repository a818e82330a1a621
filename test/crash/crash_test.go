// Package crash kills the server in mid-run, as the kernel or an operator
// would, and looks at what is left.
package crash

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/testkit"
	"github.com/unmask-eval/unmask/internal/testkit/postgres"
)

func TestMain(m *testing.M) {
	code := postgres.Main(m).Run()
	testkit.Clean()
	os.Exit(code)
}

// slow takes long enough to be caught in mid-run, and fakes at known rates.
const slow = "models/sim/alignment-faker?delay_ms=4"

func connect(t *testing.T, s *testkit.Server) unmaskv1.EvaluationServiceClient {
	t.Helper()
	conn, err := grpc.NewClient(s.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return unmaskv1.NewEvaluationServiceClient(conn)
}

// begin creates the same evaluation everywhere and a run of it.
func begin(t *testing.T, c unmaskv1.EvaluationServiceClient) string {
	t.Helper()
	return beginOn(t, c, slow)
}

func beginOn(t *testing.T, c unmaskv1.EvaluationServiceClient, model string) string {
	t.Helper()
	e, err := c.CreateEvaluation(t.Context(), &unmaskv1.CreateEvaluationRequest{
		EvaluationId: "e",
		Evaluation: &unmaskv1.Evaluation{Plan: &unmaskv1.Plan{
			Scenarios: []string{"scenarios/helpful-only"}, SamplesPerQuery: 2, MaxQueries: 40, Seed: proto.Uint64(7),
		}},
	})
	require.NoError(t, err)
	r, err := c.CreateRun(t.Context(), &unmaskv1.CreateRunRequest{Parent: e.GetName(), RunId: "r", Run: &unmaskv1.Run{Model: model, Concurrency: 4}})
	require.NoError(t, err)
	return r.GetName()
}

// watch follows a run until enough is finished, or to its end.
func watch(t *testing.T, c unmaskv1.EvaluationServiceClient, name string, enough int32) *unmaskv1.Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	stream, err := c.WatchRun(ctx, &unmaskv1.WatchRunRequest{Name: name, Interval: durationpb.New(100 * time.Millisecond)})
	require.NoError(t, err)
	for {
		resp, err := stream.Recv()
		require.NoError(t, err)
		r := resp.GetRun()
		if ended := r.GetState() >= unmaskv1.RunState_RUN_STATE_SUCCEEDED; ended || r.GetProgress().GetFinished() >= enough {
			return r
		}
	}
}

// transcripts returns every transcript of a run by name, and fails on a doubled one.
func transcripts(t *testing.T, c unmaskv1.EvaluationServiceClient, name string) map[string]*unmaskv1.Transcript {
	t.Helper()
	out := map[string]*unmaskv1.Transcript{}
	for token := ""; ; {
		page, err := c.ListTranscripts(t.Context(), &unmaskv1.ListTranscriptsRequest{
			Parent: name, PageSize: 50, PageToken: token, View: unmaskv1.TranscriptView_TRANSCRIPT_VIEW_FULL,
		})
		require.NoError(t, err)
		for _, tr := range page.GetTranscripts() {
			require.NotContains(t, out, tr.GetName())
			out[tr.GetName()] = tr
		}
		if token = page.GetNextPageToken(); token == "" {
			return out
		}
	}
}

func results(t *testing.T, c unmaskv1.EvaluationServiceClient, name string) *unmaskv1.Run {
	t.Helper()
	r, err := c.GetRun(t.Context(), &unmaskv1.GetRunRequest{Name: name, View: unmaskv1.RunView_RUN_VIEW_FULL})
	require.NoError(t, err)
	return r
}

func TestAKilledServerLosesAndDoublesNothing(t *testing.T) {
	undisturbed := connect(t, testkit.Serve(t, filepath.Join(t.TempDir(), "unmask.db")))
	name := begin(t, undisturbed)
	require.Equal(t, unmaskv1.RunState_RUN_STATE_SUCCEEDED, watch(t, undisturbed, name, 1<<30).GetState())
	want := results(t, undisturbed, name)
	wantReplies := transcripts(t, undisturbed, name)

	kills := 4
	if testing.Short() {
		kills = 1
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a reproducible test
	store := filepath.Join(t.TempDir(), "unmask.db")
	server := testkit.Serve(t, store)
	client := connect(t, server)
	require.Equal(t, name, begin(t, client))
	finished := map[string]*unmaskv1.Transcript{}
	for range kills {
		next := int32(len(finished)) + 1 + random.Int32N(40)
		watch(t, client, name, next)
		finished = transcripts(t, client, name)
		server.Kill(t)
		server = testkit.Serve(t, store)
		client = connect(t, server)
		after := transcripts(t, client, name)
		for id, tr := range finished {
			require.Contains(t, after, id, "a finished sample is lost")
			require.True(t, proto.Equal(tr, after[id]), "a finished sample was made again: %s", id)
		}
	}
	require.Equal(t, unmaskv1.RunState_RUN_STATE_SUCCEEDED, watch(t, client, name, 1<<30).GetState())
	got := results(t, client, name)
	require.True(t, proto.Equal(want.GetResults(), got.GetResults()), "another result than undisturbed:\n%v\n%v", want.GetResults(), got.GetResults())
	require.True(t, proto.Equal(want.GetProgress(), got.GetProgress()))
	replies := transcripts(t, client, name)
	require.Len(t, replies, len(wantReplies))
	for id, tr := range wantReplies {
		require.Equal(t, tr.GetReply().GetRaw(), replies[id].GetReply().GetRaw())
	}
	t.Logf("killed %d times; %d samples, %d calls", kills, got.GetProgress().GetFinished(), got.GetUsage().GetCalls())
}

func TestATermSignalKeepsWhatIsInFlight(t *testing.T) {
	store := filepath.Join(t.TempDir(), "unmask.db")
	server := testkit.Serve(t, store)
	client := connect(t, server)
	name := begin(t, client)
	seen := watch(t, client, name, 10).GetProgress().GetFinished()
	server.Stop(t)
	client = connect(t, testkit.Serve(t, store))
	r := watch(t, client, name, 1<<30)
	require.Equal(t, unmaskv1.RunState_RUN_STATE_SUCCEEDED, r.GetState())
	require.GreaterOrEqual(t, r.GetProgress().GetFinished(), seen)
	require.Equal(t, int64(r.GetProgress().GetFinished()), results(t, client, name).GetUsage().GetCalls(), "a drained server asks for nothing twice")
}

// A worker has no API: it goes on with what a server left, and says so in metrics.
func TestAWorkerGoesOnWithWhatAServerLeft(t *testing.T) {
	// The model answers five times, and then not before it is let go.
	var calls atomic.Int64
	held, letGo := make(chan struct{}), make(chan struct{})
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n := calls.Add(1); n > 5 {
			if n == 6 {
				close(held)
			}
			<-letGo
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"choices":[{"message":{"role":"assistant","content":"I can't help with that."},"finish_reason":"stop"}]}`)
	}))
	t.Cleanup(model.Close)
	dir := t.TempDir()
	store, settings := filepath.Join(dir, "unmask.db"), "--config="+filepath.Join(dir, "unmask.yaml")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "unmask.yaml"),
		[]byte("models:\n- {name: held, model_id: m, base_url: '"+model.URL+"/v1'}\n"), 0o600))
	server := testkit.Serve(t, store, settings)
	client := connect(t, server)
	name := beginOn(t, client, "models/held")
	<-held
	server.Kill(t)
	close(letGo)
	worker := testkit.Serve(t, store, settings, "--role=worker")
	require.Empty(t, worker.GRPC)
	require.Empty(t, worker.HTTP)
	require.Eventually(t, func() bool {
		return strings.Contains(get(t, "http://"+worker.Ops+"/metrics"), `unmask_runs_ended_total{state="SUCCEEDED"} 1`)
	}, 2*time.Minute, 50*time.Millisecond)
	require.Contains(t, get(t, "http://"+worker.Ops+"/readyz"), "ready")
	worker.Stop(t)
	client = connect(t, testkit.Serve(t, store, settings))
	r := results(t, client, name)
	require.Equal(t, unmaskv1.RunState_RUN_STATE_SUCCEEDED, r.GetState())
	require.LessOrEqual(t, calls.Load(), int64(r.GetProgress().GetPlanned())+4, "what was in flight is asked for again, and nothing else")
	require.Len(t, transcripts(t, client, name), int(r.GetProgress().GetPlanned()))
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, errors.Join(err, resp.Body.Close()))
	require.Equal(t, http.StatusOK, resp.StatusCode, string(body))
	return string(body)
}
