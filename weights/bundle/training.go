package bundle

import "encoding/json"

// Run is what a trainer wrote of one of the runs that made a network.
type Run struct {
	Dataset string `json:"dataset"`
	Seen    int    `json:"pictures_seen"`
	Terms   string `json:"terms"`
}

// Runs are those that made the network, its own first; none where its trainer wrote
// something else. Before trainers listed all of them, the last may stand for several.
func (n *Network) Runs() []Run { return runs(n.Training) }

func runs(training json.RawMessage) (list []Run) {
	var own struct {
		Run
		StartedFrom json.RawMessage `json:"started_from"`
	}
	if json.Unmarshal(training, &own) == nil {
		return append([]Run{own.Run}, runs(own.StartedFrom)...)
	}
	if json.Unmarshal(training, &list) != nil {
		return nil
	}
	return list
}
