package sim

// begin lets a link fault or a partition act on the network.
func (n *network) begin(s *strike) {
	n.lock()
	defer n.unlock()
	switch {
	case s.class == classMesh:
		n.partition(s)
	case s.fault.Kind == kindClog:
		for _, id := range s.nodes {
			n.ills[id-1].clogs++
		}
		n.sick++
	default:
		for _, id := range s.nodes {
			n.ills[id-1].strikes = append(n.ills[id-1].strikes, s)
		}
		n.sick++
	}
}

// end heals what begin began, and nothing else.
func (n *network) end(s *strike) {
	n.lock()
	defer n.unlock()
	switch {
	case s.class == classMesh:
		n.heal(s)
	case s.fault.Kind == kindClog:
		for _, id := range s.nodes {
			n.ills[id-1].clogs--
		}
		n.sick--
		n.release()
	default:
		for _, id := range s.nodes {
			n.ills[id-1].strikes = without(n.ills[id-1].strikes, s)
		}
		n.sick--
	}
}

// partition begins the cuts of s. Where messages in flight are to be dropped,
// each existing link that is now cut drops what it carries: a walk over the
// links of the nodes that are cut off, once per cut.
func (n *network) partition(s *strike) {
	shape := s.fault.Shape
	if n.broken == defectOneWayBoth && shape == shapeOneWay {
		shape = shapeSymmetric
	}
	for _, c := range cutsOf(shape, s.groups, len(n.rows)) {
		k := n.parts.begin(c[0], c[1])
		s.cuts = append(s.cuts, k)
		if n.cfg.InFlight != inFlightDrop {
			continue
		}
		for _, from := range k.from {
			for _, l := range n.rows[from-1].links {
				if n.parts.separates(k, l.from, l.to) {
					n.cutBelow[l] = l.sent
				}
			}
		}
	}
}

// dropped reports whether a message was in flight at a cut that drops it: its
// number is not above the link's last one at that time.
func (n *network) dropped(l *link, f *flight) bool {
	return f.num <= n.cutBelow[l]
}

func (n *network) heal(s *strike) {
	cuts := s.cuts
	if n.broken == defectHalfHeal {
		cuts = cuts[:1]
	}
	for _, k := range cuts {
		n.parts.end(k)
	}
	n.healed = true
	s.cuts = s.cuts[:0]
}

// release lets what waited for a clog go on, in the order in which it began to
// wait, unless another clog still holds it: then it waits again.
func (n *network) release() {
	links, flights := n.heldLinks, n.heldFlights
	n.heldLinks, n.heldFlights = nil, nil
	for _, l := range links {
		if n.clogged(l.from, l.to) {
			n.heldLinks = append(n.heldLinks, l)
			continue
		}
		n.time.arrive(n.time.now(), l.to, l.head.cause, l)
	}
	for _, f := range flights {
		if n.clogged(f.link.from, f.link.to) {
			n.heldFlights = append(n.heldFlights, f)
			continue
		}
		n.time.arrive(n.time.now(), f.link.to, f.cause, f)
	}
}
