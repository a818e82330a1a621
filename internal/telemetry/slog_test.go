package telemetry_test

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/telemetry"
)

func TestWarningsOfLibrariesAreLogged(t *testing.T) {
	var out bytes.Buffer
	log, err := telemetry.NewLogger(&out, "warn", "json")
	require.NoError(t, err)
	l := telemetry.Slog(log.Named("queue"))
	l.Debug("debug")
	l.Info("info", "key", "value")
	require.Empty(t, out.String())
	l.With("a", 1).WithGroup("g").Warn("warned", slog.Int64("jobs", 3))
	require.Contains(t, out.String(), `"level":"warn"`)
	require.Contains(t, out.String(), `"msg":"warned","a":1,"g":{"jobs":3}`)
	out.Reset()
	l.Error("failed")
	require.Contains(t, out.String(), `"level":"error"`)

	quiet, err := telemetry.NewLogger(&out, "error", "json")
	require.NoError(t, err)
	out.Reset()
	telemetry.Slog(quiet).Warn("warned")
	require.Empty(t, out.String())
}
