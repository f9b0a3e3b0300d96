package jsonkeys

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheck(t *testing.T) {
	for _, good := range []string{
		`{}`, `[]`, `1`, `"a"`, `{"a":1,"b":{"a":2,"c":[{"a":1},{"a":2}]}}`, `{"a":"a","b":"a"}`, `[["a","a"]]`, ` {"a":[]} `,
	} {
		require.NoError(t, Check([]byte(good)), good)
	}
	for _, bad := range []string{
		``, `{`, `{"a":1`, `{"a":1,"a":2}`, `{"b":{"a":1,"a":1}}`, `[{"a":1,"b":[],"a":1}]`, `{"a":{},"a":{}}`, `{} {}`, `{"a":"a","a":"a"}`,
		`{"\u0061":1,"a":2}`, `}`, `{]`,
		`{"task":1,"TASK":2}`, `{"task":1,"ta\u017f\u212a":2}`,
	} {
		require.Error(t, Check([]byte(bad)), bad)
	}
}
