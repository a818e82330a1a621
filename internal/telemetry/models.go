package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmask-eval/unmask/internal/run"
)

// WatchModels registers gauges of how endpoints are called. list is asked whenever
// the metrics are read.
func (m *Metrics) WatchModels(list func() []run.ModelInfo) {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"model"}, nil)
	}
	m.Registry.MustRegister(&modelCollector{
		list:     list,
		limit:    desc("unmask_model_concurrency_limit", "Most calls in flight to the endpoint of a model, for now."),
		inFlight: desc("unmask_model_calls_in_flight", "Calls in flight to the endpoint of a model."),
		waiting:  desc("unmask_model_calls_waiting", "Calls that wait for the endpoint of a model."),
		refusing: desc("unmask_model_refusing", "1 while the endpoint of a model refuses for the rate, or was not available many times in a row."),
	})
}

type modelCollector struct {
	list                               func() []run.ModelInfo
	limit, inFlight, waiting, refusing *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *modelCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.limit
	ch <- c.inFlight
	ch <- c.waiting
	ch <- c.refusing
}

// Collect implements prometheus.Collector.
func (c *modelCollector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.list() {
		if m.Load == nil {
			continue
		}
		gauge := func(d *prometheus.Desc, v int) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), m.ID)
		}
		gauge(c.limit, m.Load.Limit)
		gauge(c.inFlight, m.Load.InFlight)
		gauge(c.waiting, m.Load.Waiting)
		refusing := 0
		if m.Load.Refusing || m.Load.Unavailable {
			refusing = 1
		}
		gauge(c.refusing, refusing)
	}
}
