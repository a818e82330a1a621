// Package telemetry is what operators see: structured logs and metrics. No
// text of a prompt, a scratchpad or an answer reaches it; names, sizes,
// outcomes and durations do.
package telemetry

import (
	"fmt"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/unmask-eval/unmask/internal/run"
)

// NewLogger returns a logger that writes to w: level is debug, info, warn or
// error, format json or console.
func NewLogger(w io.Writer, level, format string) (*zap.Logger, error) {
	lvl, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, fmt.Errorf("log level %q: %w", level, err)
	}
	cfg := zap.NewProductionEncoderConfig()
	cfg.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	cfg.TimeKey = "time"
	var enc zapcore.Encoder
	switch format {
	case "json":
		enc = zapcore.NewJSONEncoder(cfg)
	case "console":
		enc = zapcore.NewConsoleEncoder(cfg)
	default:
		return nil, fmt.Errorf("log format must be json or console, got %q", format)
	}
	return zap.New(zapcore.NewCore(enc, zapcore.Lock(zapcore.AddSync(w)), lvl)), nil
}

// Metrics are the service's metrics in a registry of their own.
type Metrics struct {
	Registry *prometheus.Registry
	samples  *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	runs     *prometheus.CounterVec
	active   prometheus.Gauge
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// NewMetrics registers the metrics.
func NewMetrics() *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		samples: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unmask_samples_total",
			Help: "Finished samples by outcome: the judgement of the answer, or the class of the error.",
		}, []string{"outcome"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "unmask_model_latency_seconds",
			Help:    "Time of the model call that succeeded.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2.5, 12),
		}, []string{"result"}),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unmask_runs_ended_total", Help: "Runs that ended, by state.",
		}, []string{"state"}),
		active: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "unmask_runs_in_progress", Help: "Runs that this process carries out.",
		}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unmask_rpc_total", Help: "Calls of the API by method and status code.",
		}, []string{"method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "unmask_rpc_seconds", Help: "Time of API calls by method.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
		}, []string{"method"}),
	}
	m.Registry.MustRegister(m.samples, m.latency, m.runs, m.active, m.calls, m.seconds,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Call counts one API call.
func (m *Metrics) Call(method, code string, took time.Duration) {
	m.calls.WithLabelValues(method, code).Inc()
	m.seconds.WithLabelValues(method).Observe(took.Seconds())
}

// Observer tells logs and metrics what runs do.
type Observer struct {
	log     *zap.Logger
	metrics *Metrics
}

var _ run.Observer = (*Observer)(nil)

// NewObserver returns an Observer.
func NewObserver(log *zap.Logger, m *Metrics) *Observer { return &Observer{log: log, metrics: m} }

// GradingFailed implements run.Observer.
func (o *Observer) GradingFailed(key run.RunKey, transcript, cause string) {
	o.log.Error("grading failed", zap.String("project", key.Project), zap.String("run", key.Name()),
		zap.String("transcript", transcript), zap.String("cause", cause))
}

// RunNotResumed implements run.Observer.
func (o *Observer) RunNotResumed(key run.RunKey, reason string) {
	o.log.Warn("run not resumed", zap.String("project", key.Project), zap.String("run", key.Name()), zap.String("reason", reason))
}

// RunStarted implements run.Observer.
func (o *Observer) RunStarted(key run.RunKey, planned, alreadyFinished int) {
	o.metrics.active.Inc()
	o.log.Info("run started", zap.String("project", key.Project), zap.String("run", key.Name()),
		zap.Int("planned", planned), zap.Int("already_finished", alreadyFinished))
}

// SampleFinished implements run.Observer. It does not log: a run has up to
// millions of samples, and each has a row.
func (o *Observer) SampleFinished(_ run.RunKey, _, outcome string, latency time.Duration) {
	o.metrics.samples.WithLabelValues(outcome).Inc()
	result := "reply"
	if latency == 0 {
		result = "none"
	}
	o.metrics.latency.WithLabelValues(result).Observe(latency.Seconds())
}

// RunStopped implements run.Observer.
func (o *Observer) RunStopped(key run.RunKey) {
	o.metrics.active.Dec()
	o.log.Info("run left for later", zap.String("project", key.Project), zap.String("run", key.Name()))
}

// Pruned implements run.Observer.
func (o *Observer) Pruned(removed run.Pruned, err error) {
	fields := []zap.Field{
		zap.Int64("runs", removed.Runs), zap.Int64("texts_of_runs", removed.TextsOfRuns),
		zap.Int64("transcripts", removed.Transcripts), zap.Int64("bytes", removed.Bytes),
	}
	switch {
	case err != nil:
		o.log.Warn("retention ended early, and goes on the next time", append(fields, zap.Error(err))...)
	case removed != run.Pruned{}:
		o.log.Info("retention removed what was too old", fields...)
	}
}

// RunEnded implements run.Observer.
func (o *Observer) RunEnded(key run.RunKey, state run.State, reason string, took time.Duration) {
	o.metrics.active.Dec()
	o.metrics.runs.WithLabelValues(string(state)).Inc()
	o.log.Info("run ended", zap.String("project", key.Project), zap.String("run", key.Name()),
		zap.String("state", string(state)), zap.String("reason", reason), zap.Duration("took", took))
}
