package crash

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/testkit"
)

// A stream beyond the limit is told when to try again, on both transports, and the
// others go on.
func TestStreamsAreBounded(t *testing.T) {
	server := testkit.Serve(t, filepath.Join(t.TempDir(), "unmask.db"), "--server.max-streams=2")
	client := connect(t, server)
	name := beginOn(t, client, "models/sim/alignment-faker?delay_ms=20000")
	for range 2 {
		stream, err := client.WatchRun(t.Context(), &unmaskv1.WatchRunRequest{Name: name})
		require.NoError(t, err)
		_, err = stream.Recv()
		require.NoError(t, err)
	}
	stream, err := client.WatchRun(t.Context(), &unmaskv1.WatchRunRequest{Name: name})
	require.NoError(t, err)
	_, err = stream.Recv()
	require.Equal(t, codes.ResourceExhausted, status.Code(err), "%v", err)
	told := false
	for _, d := range status.Convert(err).Details() {
		if retry, ok := d.(*errdetails.RetryInfo); ok {
			told = true
			require.Positive(t, retry.GetRetryDelay().AsDuration())
		}
	}
	require.True(t, told, "%v", err)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+server.HTTP+"/v1/"+name+":watch", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
	_, err = client.GetRun(t.Context(), &unmaskv1.GetRunRequest{Name: name})
	require.NoError(t, err, "calls that are no streams go on")
}
