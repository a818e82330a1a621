package gateway

import "net/http"

// streamRetry is the Retry-After of a stream that was refused, in seconds, the same
// as RetryInfo says over gRPC.
const streamRetry = "5"

// retryLater sets Retry-After where a stream is refused for a limit: the gateway writes
// the errors of streams itself, without the error handler.
func retryLater(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(retryWriter{w}, r) })
}

type retryWriter struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w retryWriter) WriteHeader(code int) {
	if code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", streamRetry)
	}
	w.ResponseWriter.WriteHeader(code)
}

// Flush implements http.Flusher, which streams need.
func (w retryWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Unwrap is for http.ResponseController.
func (w retryWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
