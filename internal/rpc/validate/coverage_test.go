package validate

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
)

// requests returns the request messages of every method of the API.
func requests(t *testing.T) []protoreflect.MessageDescriptor {
	var found []protoreflect.MessageDescriptor
	protoregistry.GlobalFiles.RangeFilesByPackage("unmask.v1", func(file protoreflect.FileDescriptor) bool {
		services := file.Services()
		for i := range services.Len() {
			methods := services.Get(i).Methods()
			for j := range methods.Len() {
				found = append(found, methods.Get(j).Input())
			}
		}
		return true
	})
	require.Greater(t, len(found), 20)
	require.Equal(t, "unmask.v1", string(unmaskv1.File_unmask_v1_run_proto.Package()))
	return found
}

// Every field that a request can hold has a rule, or is marked as one that
// needs none; and no rule is left behind for a field that is gone.
func TestEveryFieldHasARule(t *testing.T) {
	reached := map[protoreflect.FullName]bool{}
	var walk func(m protoreflect.MessageDescriptor)
	walk = func(m protoreflect.MessageDescriptor) {
		if reached[m.FullName()] {
			return
		}
		reached[m.FullName()] = true
		rules, ok := tables[m.FullName()]
		require.True(t, ok, "%s can be sent and has no rules", m.FullName())
		fields := m.Fields()
		for i := range fields.Len() {
			fd := fields.Get(i)
			require.Contains(t, rules, fd.Name(), "%s has no rule", fd.FullName())
			if fd.Kind() == protoreflect.MessageKind && !fd.IsMap() && !ignores(rules[fd.Name()], fd) && !wellKnown(fd) {
				walk(fd.Message())
			}
		}
		require.Len(t, rules, fields.Len(), "%s has a rule for a field that is gone", m.FullName())
	}
	for _, m := range requests(t) {
		walk(m)
	}
	for name := range tables {
		require.True(t, reached[name], "%s cannot be sent", name)
	}
	for name := range together {
		require.True(t, reached[name], "%s cannot be sent", name)
	}
}

func wellKnown(fd protoreflect.FieldDescriptor) bool {
	name := fd.Message().FullName()
	return name == (&durationpb.Duration{}).ProtoReflect().Descriptor().FullName() ||
		name == (&timestamppb.Timestamp{}).ProtoReflect().Descriptor().FullName()
}

// ignores finds out whether a rule looks into messages: one that does complains
// of a message without rules.
func ignores(r rule, fd protoreflect.FieldDescriptor) bool {
	c := &checker{}
	m := dynamicpb.NewMessage(fd.ContainingMessage())
	if fd.IsList() {
		m.Mutable(fd).List().AppendMutable()
	} else {
		m.Set(fd, protoreflect.ValueOfMessage(dynamicpb.NewMessage(fd.Message())))
	}
	r(c, field{desc: fd, in: m})
	return c.err == nil
}

// Enums arrive over the wire with any number, so every enum of a request is
// checked against the numbers that are known.
func TestEveryEnumIsChecked(t *testing.T) {
	checked := 0
	for message, rules := range tables {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(message)
		require.NoError(t, err)
		m, ok := d.(protoreflect.MessageDescriptor)
		require.True(t, ok)
		for name, check := range rules {
			fd := m.Fields().ByName(name)
			if fd.Kind() != protoreflect.EnumKind || name == "state" {
				continue
			}
			checked++
			msg := dynamicpb.NewMessage(m)
			msg.Set(fd, protoreflect.ValueOfEnum(4711))
			c := &checker{}
			check(c, field{path: "x", desc: fd, in: msg})
			require.Len(t, c.violations, 1, "%s takes an unknown number", fd.FullName())
		}
	}
	require.GreaterOrEqual(t, checked, 8)
}

// A message of this API without rules is refused rather than let through.
func TestMessageWithoutRulesIsRefused(t *testing.T) {
	require.ErrorContains(t, Request(&unmaskv1.Decision{}), "unmask.v1.Decision has no rules")
}
