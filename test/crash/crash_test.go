// Package crash kills the server in mid-run, as the kernel or an operator
// would, and looks at what is left.
package crash

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
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
	e, err := c.CreateEvaluation(t.Context(), &unmaskv1.CreateEvaluationRequest{
		EvaluationId: "e",
		Evaluation: &unmaskv1.Evaluation{Plan: &unmaskv1.Plan{
			Scenarios: []string{"scenarios/helpful-only"}, SamplesPerQuery: 2, MaxQueries: 40, Seed: proto.Uint64(7),
		}},
	})
	require.NoError(t, err)
	r, err := c.CreateRun(t.Context(), &unmaskv1.CreateRunRequest{Parent: e.GetName(), RunId: "r", Run: &unmaskv1.Run{Model: slow, Concurrency: 4}})
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
