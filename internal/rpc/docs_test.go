package rpc_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
)

// docs/api.md names every method with its path, and every reason of an error;
// and every method can be called over REST.
func TestTheMapIsComplete(t *testing.T) {
	doc, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	rules, err := os.ReadFile("../../api/http.yaml")
	require.NoError(t, err)
	type binding struct {
		Selector           string
		Get, Post          string
		Patch, Delete      string
		AdditionalBindings []binding `yaml:"additional_bindings"`
	}
	var config struct{ HTTP struct{ Rules []binding } }
	require.NoError(t, yaml.Unmarshal(rules, &config))

	bound := map[string]bool{}
	for _, rule := range config.HTTP.Rules {
		bound[rule.Selector] = true
		name := rule.Selector[strings.LastIndex(rule.Selector, ".")+1:]
		for _, b := range append(rule.AdditionalBindings, rule) {
			path := "GET " + b.Get
			switch {
			case b.Post != "":
				path = "POST " + b.Post
			case b.Patch != "":
				path = "PATCH " + b.Patch
			case b.Delete != "":
				path = "DELETE " + b.Delete
			}
			found := false
			for line := range strings.Lines(string(doc)) {
				found = found || strings.HasPrefix(line, "| "+name) && strings.Contains(line, "`"+path+"`")
			}
			require.True(t, found, "docs/api.md does not list %s as %s", name, path)
		}
	}
	for _, file := range []protoreflect.FileDescriptor{
		unmaskv1.File_unmask_v1_scenario_service_proto, unmaskv1.File_unmask_v1_evaluation_service_proto,
		unmaskv1.File_unmask_v1_grading_service_proto, unmaskv1.File_unmask_v1_gate_service_proto,
		unmaskv1.File_unmask_v1_model_service_proto,
	} {
		methods := file.Services().Get(0).Methods()
		for i := range methods.Len() {
			require.True(t, bound[string(methods.Get(i).FullName())], "%s has no path", methods.Get(i).FullName())
		}
	}
	for name, number := range unmaskv1.ErrorReason_value {
		if number != 0 {
			require.Contains(t, string(doc), "\n| "+strings.TrimPrefix(name, "ERROR_REASON_")+" ", "docs/api.md does not list the reason")
		}
	}
}
