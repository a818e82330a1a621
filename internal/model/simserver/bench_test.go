package simserver_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model/simserver"
)

// prompt is about as long as that of the helpful-only scenario.
func prompt() string { return system + strings.Repeat(" It matters how you answer.", 200) }

// fixed answers every request with one reply of usual length, so that the two
// benchmarks below measure the client's side alone.
func fixed(b *testing.B) string {
	reply, err := json.Marshal(map[string]any{
		"model": "sim/complier",
		"choices": []any{map[string]any{
			"message":       map[string]any{"role": "assistant", "content": strings.Repeat("Thinking about it. ", 60)},
			"finish_reason": "stop",
		}},
		"usage": map[string]any{"prompt_tokens": 1400, "completion_tokens": 300},
	})
	require.NoError(b, err)
	step := simserver.Body(http.StatusOK, "application/json", string(reply))
	script := make([]simserver.Step, 2_000_000)
	for i := range script {
		script[i] = step
	}
	return start(b, simserver.Options{Script: script})
}

// cpuTime returns what the process has used so far. Unlike the elapsed time it
// says something on a machine that is busy with other work.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// report adds calls per second, and the processor's time per call of client
// and server together.
func report(b *testing.B, before time.Duration) {
	b.Helper()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-us/call")
}

// BenchmarkCall measures whole calls with the real client, and
// BenchmarkBareCall the same exchange with net/http and encoding/json alone.
// Their ratio is what retries, time-outs, typed errors and the lenient decoder
// cost.
func BenchmarkCall(b *testing.B) {
	url := fixed(b)
	client := dial(b, url, "sim/complier")
	req := request("q", 1)
	req.Messages[0].Content = prompt()
	b.ReportAllocs()
	b.SetParallelism(8)
	used := cpuTime(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := client.Generate(b.Context(), req); err != nil {
				b.Error(err)
				return
			}
		}
	})
	report(b, used)
}

func BenchmarkBareCall(b *testing.B) {
	url := fixed(b) + "/v1/chat/completions"
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	client := &http.Client{Transport: transport}
	b.Cleanup(transport.CloseIdleConnections)
	req := request("q", 1)
	req.Messages[0].Content = prompt()
	b.ReportAllocs()
	b.SetParallelism(8)
	used := cpuTime(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := bareCall(client, url, req.Messages); err != nil {
				b.Error(err)
				return
			}
		}
	})
	report(b, used)
}

func bareCall(client *http.Client, url string, messages any) error {
	body, err := json.Marshal(map[string]any{"model": "sim/complier", "messages": messages, "seed": 1})
	if err != nil {
		return err
	}
	resp, err := client.Post(url, "application/json", bytes.NewReader(body)) //nolint:noctx // bare on purpose
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var reply struct {
		Choices []struct{ Message struct{ Content string } }
	}
	return json.Unmarshal(raw, &reply)
}

// BenchmarkSimulatedCall adds a simulated model that composes every reply anew.
func BenchmarkSimulatedCall(b *testing.B) {
	client := dial(b, start(b, simserver.Options{}), "sim/alignment-faker")
	req := request("q", 1)
	req.Messages[0].Content = prompt()
	b.ReportAllocs()
	b.SetParallelism(8)
	used := cpuTime(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := client.Generate(b.Context(), req); err != nil {
				b.Error(err)
				return
			}
		}
	})
	report(b, used)
}
