package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/sqlite"
	"github.com/unmask-eval/unmask/internal/store/storetest"
)

// BenchmarkSaveFinished also reports the bytes that each sample takes on the disk.
func BenchmarkSaveFinished(b *testing.B) {
	for _, concurrency := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("concurrency=%d", concurrency), func(b *testing.B) {
			s := open(b, sqlite.Config{})
			storetest.BenchmarkSaveFinished(b, s, concurrency, 1)
			require.NoError(b, s.Close(context.Background()))
			info, err := os.Stat(s.Path())
			require.NoError(b, err)
			b.ReportMetric(float64(info.Size())/float64(b.N), "B/sample")
		})
	}
}

func BenchmarkRead(b *testing.B) { storetest.BenchmarkRead(b, open(b, sqlite.Config{})) }

// BenchmarkDeleteRun deletes a run of 20,000 samples.
func BenchmarkDeleteRun(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s := open(b, sqlite.Config{})
		key := storetest.Fill(b, s, 20_000)
		require.NoError(b, s.UpdateRun(b.Context(), run.Run{RunKey: key, State: run.Succeeded}, run.Running))
		b.StartTimer()
		require.NoError(b, s.DeleteRun(b.Context(), key))
	}
}
