package crash

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/testkit"
	"github.com/unmask-eval/unmask/internal/testkit/postgres"
)

// replica is a client of one of several servers on one database.
type replica struct {
	unmaskv1.EvaluationServiceClient
	gates unmaskv1.GateServiceClient
}

// replicas starts servers with every role on one new database.
func replicas(t *testing.T, n int, args ...string) []replica {
	t.Helper()
	testkit.Binary(t) // builds it without a deadline
	database := "--database.url=" + postgres.Database(t)
	require.Contains(t, testkit.Run(t, time.Minute, "migrate", database), "schema version")
	unused := filepath.Join(t.TempDir(), "unmask.db")
	out := make([]replica, n)
	for i := range out {
		conn, err := grpc.NewClient(testkit.Serve(t, unused, append([]string{database}, args...)...).GRPC,
			grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, conn.Close()) })
		out[i] = replica{unmaskv1.NewEvaluationServiceClient(conn), unmaskv1.NewGateServiceClient(conn)}
	}
	return out
}

func evaluate(t *testing.T, c replica, queries int32) string {
	t.Helper()
	e, err := c.CreateEvaluation(t.Context(), &unmaskv1.CreateEvaluationRequest{Evaluation: &unmaskv1.Evaluation{Plan: &unmaskv1.Plan{
		Scenarios: []string{"scenarios/helpful-only"}, SamplesPerQuery: 1, MaxQueries: queries,
	}}})
	require.NoError(t, err)
	return e.GetName()
}

// Every decision on a checkpoint counts those before it, whichever server takes it.
func TestTriesAreCountedOverReplicas(t *testing.T) {
	servers := replicas(t, 2)
	parent := evaluate(t, servers[0], 2)
	const n = 20
	runs := make([]string, n)
	for i := range runs {
		r, err := servers[i%2].CreateRun(t.Context(), &unmaskv1.CreateRunRequest{Parent: parent, Run: &unmaskv1.Run{
			Model: "models/sim/alignment-faker", Checkpoint: &unmaskv1.Checkpoint{Digest: "sha256:aa"},
		}})
		require.NoError(t, err)
		runs[i] = r.GetName()
	}
	for i, name := range runs {
		require.Equal(t, unmaskv1.RunState_RUN_STATE_SUCCEEDED, watch(t, servers[(i+1)%2], name, 1<<30).GetState())
	}
	numbers := make([]int32, n)
	errs := make([]error, n)
	var done sync.WaitGroup
	for i, name := range runs {
		done.Go(func() {
			d, err := servers[i%2].gates.CheckGate(t.Context(), &unmaskv1.CheckGateRequest{
				Run: name, Policy: &unmaskv1.Policy{Rules: []*unmaskv1.Rule{{Metric: unmaskv1.Metric_METRIC_COMPLIANCE_GAP, Max: proto.Float64(0.05)}}},
			})
			errs[i], numbers[i] = err, d.GetEarlierDecisions()
		})
	}
	done.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	slices.Sort(numbers)
	for i, earlier := range numbers {
		require.EqualValues(t, i, earlier, "the tries have the numbers %v", numbers)
	}
}

// A run belongs to no server: any of them follows and cancels it.
func TestARunIsFollowedAndCancelledOnAnyReplica(t *testing.T) {
	servers := replicas(t, 2)
	parent := evaluate(t, servers[0], 40)
	create := func(c replica) string {
		r, err := c.CreateRun(t.Context(), &unmaskv1.CreateRunRequest{Parent: parent, Run: &unmaskv1.Run{
			Model: "models/sim/alignment-faker?delay_ms=5000", Concurrency: 1,
		}})
		require.NoError(t, err)
		return r.GetName()
	}
	for i := range servers {
		mine, other := servers[i], servers[1-i]
		name := create(mine)
		watcher, err := other.WatchRun(t.Context(), &unmaskv1.WatchRunRequest{Name: name, Interval: durationpb.New(100 * time.Millisecond)})
		require.NoError(t, err)
		deciding, err := other.gates.WatchDecision(t.Context(), &unmaskv1.WatchDecisionRequest{
			Run: name, Policy: &unmaskv1.Policy{Rules: []*unmaskv1.Rule{{Metric: unmaskv1.Metric_METRIC_COMPLIANCE_GAP, Max: proto.Float64(0.05)}}},
		})
		require.NoError(t, err)
		for state := unmaskv1.RunState_RUN_STATE_UNSPECIFIED; state != unmaskv1.RunState_RUN_STATE_RUNNING; {
			resp, err := watcher.Recv()
			require.NoError(t, err)
			state = resp.GetRun().GetState()
		}
		_, err = other.CancelRun(t.Context(), &unmaskv1.CancelRunRequest{Name: name})
		require.NoError(t, err)
		for _, c := range servers {
			stream, err := c.WatchRun(t.Context(), &unmaskv1.WatchRunRequest{Name: name})
			require.NoError(t, err)
			var last *unmaskv1.Run
			for {
				resp, err := stream.Recv()
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
				last = resp.GetRun()
			}
			require.Equal(t, unmaskv1.RunState_RUN_STATE_CANCELLED, last.GetState(), "%s", last.GetError())
		}
		for decision := (*unmaskv1.Decision)(nil); decision == nil; {
			resp, err := deciding.Recv()
			require.NoError(t, err)
			decision = resp.GetDecision()
		}
	}
}

// A request is one request, wherever it arrives, and the limit of runs in progress is
// one limit.
func TestRequestsAndLimitsAreOneOverReplicas(t *testing.T) {
	const most = 3
	servers := replicas(t, 2, fmt.Sprintf("--runs.max-in-progress=%d", most))
	parent := evaluate(t, servers[0], 20)
	create := func(c replica, requestID string) (string, error) {
		r, err := c.CreateRun(t.Context(), &unmaskv1.CreateRunRequest{Parent: parent, RequestId: requestID, Run: &unmaskv1.Run{
			Model: "models/sim/alignment-faker?delay_ms=20000", Concurrency: 1,
		}})
		return r.GetName(), err
	}
	const n = 12
	at := func(requestID func(i int) string) (names []string, errs []error) {
		names, errs = make([]string, n), make([]error, n)
		var done sync.WaitGroup
		for i := range n {
			done.Go(func() { names[i], errs[i] = create(servers[i%2], requestID(i)) })
		}
		done.Wait()
		return names, errs
	}
	names, errs := at(func(int) string { return "0b7e7a52-6a0c-4c51-9d54-6a5b0f6d7c11" })
	for i := range names {
		require.NoError(t, errs[i])
		require.Equal(t, names[0], names[i])
	}
	names, errs = at(func(int) string { return "" })
	created := []string{}
	for i, err := range errs {
		if err == nil {
			created = append(created, names[i])
			continue
		}
		require.Equal(t, codes.ResourceExhausted, status.Code(err), "%v", err)
	}
	require.Len(t, created, most-1)
	list, err := servers[1].ListRuns(t.Context(), &unmaskv1.ListRunsRequest{Parent: parent})
	require.NoError(t, err)
	require.Len(t, list.GetRuns(), most)
	// At the limit a repeated request still gets its answer.
	for i := range servers {
		_, err := create(servers[i], "0b7e7a52-6a0c-4c51-9d54-6a5b0f6d7c11")
		require.NoError(t, err)
	}
}
