package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg"
	_ "image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// celebParts are the parts of CelebAMask-HQ (Lee et al. 2020), each in a file of its
// own, from the lowest to what lies on top, and what they are here. Clothes are
// behind, as in our drawings.
var celebParts = []struct {
	name  string
	label uint8
}{
	{"cloth", background}, {"neck", skin}, {"skin", skin}, {"l_ear", skin}, {"r_ear", skin}, {"nose", nose},
	{"l_brow", brows}, {"r_brow", brows}, {"l_eye", eyes}, {"r_eye", eyes}, {"mouth", mouth}, {"u_lip", mouth}, {"l_lip", mouth},
	{"eye_g", glasses}, {"hair", hair}, {"neck_l", accessories}, {"ear_r", earrings}, {"hat", accessories},
}

// partsInFolder is how many photos' parts lie in each folder of the masks.
const partsInFolder = 2000

// readCelebA reads CelebA-HQ-img/N.jpg and CelebAMask-HQ-mask-anno/K/NNNNN_part.png
// and, where they are there, of Multi-Modal-CelebA-HQ (Xia et al. 2021)
// celeba-caption/N.txt and sketch/N.png or .jpg, either of them also in folders
// named text and sketch. Who is who is told by CelebA-HQ-to-CelebA-mapping.txt together with CelebA's
// identity_CelebA.txt; where it is not, that must be known to be so.
func readCelebA(folder string, unknownPersons bool, each func(photo) error) (a about, err error) {
	a = about{Name: "photos of CelebA-HQ", Terms: "those of CelebAMask-HQ: research without commerce; photos and weights are not to be passed on"}
	ids, err := numbered(filepath.Join(folder, "CelebA-HQ-img"))
	if err != nil {
		return a, err
	}
	persons, err := identities(folder)
	if err != nil {
		return a, err
	}
	if persons == nil && !unknownPersons {
		return a, fmt.Errorf("nothing says who is who, so one person may be in several splits: put CelebA-HQ-to-CelebA-mapping.txt and CelebA's identity_CelebA.txt into %s, or give --unknown-persons", folder)
	}
	for _, id := range ids {
		p := photo{id: id, person: cmp.Or(persons[id], "photo "+strconv.Itoa(id))}
		if persons != nil && persons[id] == "" {
			return a, fmt.Errorf("nothing says who is on photo %d: is CelebA-HQ-to-CelebA-mapping.txt whole?", id)
		}
		if p.picture, err = decode(filepath.Join(folder, "CelebA-HQ-img", fmt.Sprintf("%d.jpg", id))); err != nil {
			return a, err
		}
		if p.mask, err = celebMask(folder, id); err != nil {
			return a, err
		}
		if p.captions, err = celebCaptions(folder, id); err != nil {
			return a, err
		}
		if path := first(folder, "sketch/%d.png", "sketch/%d.jpg", "sketch/sketch/%d.png", "sketch/sketch/%d.jpg")(id); path != "" {
			if p.sketch, err = decode(path); err != nil {
				return a, err
			}
		}
		if err := each(p); err != nil {
			return a, err
		}
	}
	return a, nil
}

// first finds which of some files is there; "" where none is.
func first(folder string, patterns ...string) func(id int) string {
	return func(id int) string {
		for _, p := range patterns {
			path := filepath.Join(folder, filepath.FromSlash(fmt.Sprintf(p, id)))
			if _, err := os.Stat(path); err == nil {
				return path
			}
		}
		return ""
	}
}

// numbered lists the photos of a folder by their numbers.
func numbered(folder string) (ids []int, err error) {
	list, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("%w: --data is the folder that CelebAMask-HQ.zip unpacks to", err)
	}
	for _, f := range list {
		if id, err := strconv.Atoi(strings.TrimSuffix(f.Name(), ".jpg")); err == nil && strings.HasSuffix(f.Name(), ".jpg") {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%s has no photos 0.jpg, 1.jpg, ...", folder)
	}
	slices.Sort(ids)
	return ids, nil
}

// identities says who is on each photo; nil where a file for that is missing.
func identities(folder string) (map[int]string, error) {
	who := map[string]string{} // by the name of CelebA's file
	found, err := columns(filepath.Join(folder, "identity_CelebA.txt"), 2, func(f []string) error {
		who[f[0]] = f[1]
		return nil
	})
	if !found || err != nil {
		return nil, err
	}
	persons := map[int]string{}
	head := true
	found, err = columns(filepath.Join(folder, "CelebA-HQ-to-CelebA-mapping.txt"), 3, func(f []string) error {
		id, err := strconv.Atoi(f[0])
		if head = head && err != nil; head { // "idx orig_idx orig_file"
			return nil
		}
		if err != nil {
			return err
		}
		if who[f[2]] == "" {
			return fmt.Errorf("identity_CelebA.txt does not name %s", f[2])
		}
		persons[id] = who[f[2]]
		return nil
	})
	if !found {
		return nil, err
	}
	return persons, err
}

// columns reads a table of words; found is false where it is not there.
func columns(path string, n int, each func([]string) error) (found bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	line := 0
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line++
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		if len(words) != n {
			return true, fmt.Errorf("%s: line %d has %d words, want %d", path, line, len(words), n)
		}
		if err := each(words); err != nil {
			return true, fmt.Errorf("%s: line %d: %w", path, line, err)
		}
	}
	return true, lines.Err()
}

// celebMask lays a photo's parts over each other.
func celebMask(folder string, id int) (*image.Gray, error) {
	base := filepath.Join(folder, "CelebAMask-HQ-mask-anno", strconv.Itoa(id/partsInFolder))
	if _, err := os.Stat(base); err != nil {
		return nil, fmt.Errorf("the parts of photo %d: %w (unpack CelebAMask-HQ.zip whole)", id, err)
	}
	var out *image.Gray
	for _, part := range celebParts {
		path := filepath.Join(base, fmt.Sprintf("%05d_%s.png", id, part.name))
		img, err := decode(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is not to be seen
		}
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = image.NewGray(img.Bounds())
		}
		if img.Bounds() != out.Rect {
			return nil, fmt.Errorf("%s: %v pixels, where the other parts have %v", path, img.Bounds().Size(), out.Rect.Size())
		}
		for y := out.Rect.Min.Y; y < out.Rect.Max.Y; y++ {
			for x := out.Rect.Min.X; x < out.Rect.Max.X; x++ {
				if color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y >= 128 {
					out.SetGray(x, y, color.Gray{Y: part.label})
				}
			}
		}
	}
	if out == nil {
		return nil, fmt.Errorf("%s has no part of photo %d, such as %05d_skin.png", base, id, id)
	}
	return out, nil
}

// celebCaptions is a photo's sentences; none where it has none.
func celebCaptions(folder string, id int) (sentences []string, err error) {
	path := first(folder, "celeba-caption/%d.txt", "text/celeba-caption/%d.txt")(id)
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" {
			sentences = append(sentences, line)
		}
	}
	if len(sentences) == 0 {
		return nil, fmt.Errorf("%s is empty: want a sentence on each line", path)
	}
	return sentences, nil
}

func decode(path string) (image.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w (torn? unpack or fetch it again)", path, err)
	}
	return img, nil
}
