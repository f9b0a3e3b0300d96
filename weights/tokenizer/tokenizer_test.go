package tokenizer

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/internal/hostile"
)

type golden struct {
	Length     int
	Vocabulary []string
	Unassigned [][2]rune // code points without a meaning yet in the Unicode of the Python that made the file
	Word       [][2]rune
	Lower      [][2]rune
	Cases      []struct {
		Text  string
		Words []string
		IDs   []int32
	}
}

func load(t *testing.T) (g golden) {
	t.Helper()
	data, err := os.ReadFile("testdata/golden.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &g))
	return g
}

func TestAgreesWithPython(t *testing.T) {
	g := load(t)
	require.Greater(t, len(g.Cases), 90)
	tok, err := New(g.Vocabulary, g.Length)
	require.NoError(t, err)
	for _, c := range g.Cases {
		ids, unknown := tok.Encode(c.Text)
		require.Equal(t, c.IDs, ids, "%q", c.Text)
		words := []string{}
		missing := map[string]bool{}
		for _, token := range tok.Tokens(c.Text) {
			words = append(words, token.Word)
			written := c.Text[token.Start:token.End]
			require.Equal(t, token.Word, strings.ReplaceAll(strings.Map(lower, written), "’", "'"), "%q", c.Text)
			if !token.Known() {
				missing[token.Word] = true
			}
		}
		require.Equal(t, c.Words, words, "%q", c.Text)
		require.Len(t, unknown, len(missing))
	}
}

// Every code point that has a meaning is a letter, digit or separator on both
// sides and has the same lower case.
func TestEveryCodePointAgreesWithPython(t *testing.T) {
	g := load(t)
	class := make([]byte, 0x110000)
	for _, r := range g.Word {
		for p := r[0]; p <= r[1]; p++ {
			class[p] = 'w'
		}
	}
	for _, r := range g.Unassigned {
		for p := r[0]; p <= r[1]; p++ {
			class[p] = '?'
		}
	}
	small := map[rune]rune{}
	for _, l := range g.Lower {
		small[l[0]] = l[1]
	}
	for p := range rune(len(class)) {
		if class[p] == '?' || p >= 0xD800 && p < 0xE000 {
			continue
		}
		if got, want := isWord(p), class[p] == 'w'; got != want {
			t.Errorf("U+%04X: part of a word: got %v, want %v", p, got, want)
		}
		want, ok := small[p]
		if !ok {
			want = p
		}
		if isWord(p) && lower(p) != want {
			t.Errorf("U+%04X: lower case: got U+%04X, want U+%04X", p, lower(p), want)
		}
	}
}

func TestSpansAndUnknown(t *testing.T) {
	tok, err := New([]string{"<pad>", "<unk>", "hair", "woman's"}, 3)
	require.NoError(t, err)
	text := "¡Purple hair, WOMAN’s purple!"
	ids, unknown := tok.Encode(text)
	require.Equal(t, []int32{1, 2, 3}, ids)
	require.Equal(t, []string{"purple"}, unknown)
	tokens := tok.Tokens(text)
	require.Equal(t, "Purple", text[tokens[0].Start:tokens[0].End])
	require.Equal(t, "WOMAN’s", text[tokens[2].Start:tokens[2].End])
	require.Equal(t, Token{Word: "purple", ID: Unknown, Start: len(text) - 7, End: len(text) - 1}, tokens[3])
	ids, unknown = tok.Encode("\xff\xfehair\xc3")
	require.Equal(t, []int32{2, 0, 0}, ids)
	require.Empty(t, unknown)
}

// What is marked cut is exactly what EncodeKnown leaves out of the words that it
// knows: unknown ones take no place.
func TestCutIsWhatTheNetworkMisses(t *testing.T) {
	tok, err := New([]string{"<pad>", "<unk>", "a", "b", "c"}, 2)
	require.NoError(t, err)
	const text = "what a strange B and c and a"
	var kept []int32
	var cut []string
	for _, token := range tok.Tokens(text) {
		if token.Cut {
			cut = append(cut, token.Word)
		} else if token.Known() {
			kept = append(kept, token.ID)
		}
	}
	require.Equal(t, tok.EncodeKnown(text), kept)
	require.Equal(t, []string{"c", "a"}, cut)
}

func TestRefusesBadVocabularies(t *testing.T) {
	for _, v := range [][]string{nil, {"<pad>"}, {"<unk>", "<pad>"}, {"a", "b", "c"}} {
		_, err := New(v, 4)
		require.ErrorContains(t, err, "want <pad>, <unk>")
	}
	_, err := New([]string{"<pad>", "<unk>", "a", "a"}, 4)
	require.ErrorContains(t, err, `"a" is id 2 and 3`)
	_, err = New([]string{"<pad>", "<unk>"}, 0)
	require.ErrorContains(t, err, "length")
}

func FuzzTokens(f *testing.F) {
	for _, text := range []string{"a person’s hair, İ", "", "'a' ''", "\xff\xfea\xc3", "a’\xe2\x80", strings.Repeat("a ", 99), "ﬀ 𝔸 ١٢ ǅ"} {
		f.Add(text)
	}
	tok, err := New([]string{"<pad>", "<unk>", "a"}, 8)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		end := 0
		for _, token := range tok.Tokens(text) {
			require.Less(t, token.Start, token.End)
			require.LessOrEqual(t, token.End, len(text))
			require.GreaterOrEqual(t, token.Start, end)
			end = token.End
		}
		ids, _ := tok.Encode(text)
		require.Len(t, ids, 8)
	})
}

// FuzzVocabulary: a vocabulary is refused, or its words are what texts are made
// of, each by its id.
func FuzzVocabulary(f *testing.F) {
	for _, v := range []string{"", "<pad>", "<pad>\n<unk>", "<pad>\n<unk>\na\na", "<unk>\n<pad>", "<pad>\n<unk>\n\n", "<pad>\n<unk>\n<pad>", "<pad>\n<unk>\nred\n\xff"} {
		f.Add(v, 4, "a red <unk>")
	}
	f.Add("<pad>\n<unk>\nred", 0, "red")
	f.Add("<pad>\n<unk>\nred", -1<<63, "red")
	f.Fuzz(func(t *testing.T, lines string, length int, text string) {
		vocabulary := strings.Split(lines, "\n")
		length %= 1 << 10 // as many ids as are asked for are made: the manifest bounds it
		var ids []int32
		var unknown []string
		var tokens []Token
		var err error
		hostile.Parse(t, len(lines)+len(text), 1000, 1<<20, func() {
			var tok *Tokenizer
			if tok, err = New(vocabulary, length); err == nil {
				ids, unknown = tok.Encode(text)
				tokens = tok.Tokens(text)
			}
		})
		if err != nil {
			require.Regexp(t, `^vocabulary|^length = `, err.Error())
			return
		}
		require.Len(t, ids, length)
		for i, token := range tokens {
			if i < length {
				require.Equal(t, token.ID, ids[i])
			}
			if token.Known() {
				require.Equal(t, vocabulary[token.ID], token.Word)
			} else {
				require.Contains(t, unknown, token.Word)
			}
		}
	})
}

// A word that is not known is as if it had not been typed.
func TestEncodeKnown(t *testing.T) {
	k, err := New([]string{"<pad>", "<unk>", "red", "hair", "blue"}, 3)
	require.NoError(t, err)
	with, _ := k.Encode("red hair blue")
	require.Equal(t, with, k.EncodeKnown("red, qwertz hair zebra BLUE red"))
	require.Equal(t, []int32{0, 0, 0}, k.EncodeKnown("qwertz"))
}
