#!/usr/bin/env python3
"""The pursuit, as an executable reference model (Python 3.11, standard library only).

    pursuit.py check [--sites 3] [--faults 1] [--crashes 1] [--fence ...] [...]   explore every history
    pursuit.py check "A xor B" --faults 2 --crashes 2                             ... of one formula
    pursuit.py mutants                  each rule switched off: the shortest history that then goes wrong
    pursuit.py next "A xor B" A=silent A=absent A=fenced      what to do after these observations
    pursuit.py table [--sites 2]        decisions for every formula and belief, one JSON object a line
    pursuit.py decisions                the same for up to three sites, packed: the expected data of the Rust tests
    pursuit.py histories                how many histories there are, and which promises they keep: likewise

One operation is pursued over sites A, B, C by a runner that owns nothing but a journal. `plan` is the whole
decision: beliefs in, actions out, no other memory; so a crash only turns awaited answers into lost ones. The
world may act and answer, act and lose the answer, lose the request, refuse, make a thing that is broken, be
unreachable, or carry a request out LATE: after the time limit, and after a probe that found nothing.

`check` visits every reachable state, with a budget of faults per site and of crashes per run, and every order in which
outcomes may be preferred (so for up to 3 sites it covers every formula up to the names of its sites). It checks:
  P1  once `done` is told with outcome W: W is there and the formula is true, whatever late requests still do
      (and once `failed` is told: nothing is there);
  P2  never two effects of the operation at one site;
  P3  whatever exists or is on its way is in the told outcome or under an open entry of the journal; when all is
      healed the world is exactly the told outcome and nothing is owed;
  P4  with sites that answer, every history ends in done or failed (no dead end, no cycle);
  P5  a site is written to only if an outcome needs it, and probed or undone only if this operation was sent there;
  P6  (without --overlap) at no moment is there more than some accepted outcome.

Options: --fence ticket|quiet|none|watch (see Opts), --overlap (send before strays are gone), --keyed (the site keeps
names unique), --ensure (any site may have it from an earlier run), --by-name (undo by name, not by id), --lazy answer
(journal entries of these kinds are not synced: answer, send, undo, verdict), --dup (a create is delivered twice),
--strict (no excuse for what `watch` will only see later), --orders (only outcomes that some order of preference puts
first), --only P1 (one property), --parts N --part I (share the work).
Three sites, one fault each and one crash: about 10 million states, 10 to 15 minutes on two cores.
"""
import argparse, itertools, json, os, re, sys, time
from collections import deque, namedtuple
from functools import lru_cache

# ---- formulas: sets of sites are bit masks, a formula is its truth table (tt[mask] is 0 or 1) ----------------

def parse(text):
    """Formula text -> (site names in written order, truth table)."""
    words = re.findall(r"&&|\|\||[!(){},]|[\w.-]+", text)
    keys = {"xor", "exactly", "at", "least", "most", "all", "any", "of"}
    names = list(dict.fromkeys(w for w in words if re.match(r"[A-Za-z]", w) and w not in keys))
    at, size = [0], 1 << len(names)
    def peek(): return words[at[0]] if at[0] < len(words) else None
    def take(w=None):
        got = peek()
        if got is None or (w and got != w): sys.exit(f"expected {w or 'a formula'}, got {got}")
        at[0] += 1
        return got
    def atom():
        w = take()
        if w == "!": t = atom(); return [1 - b for b in t]
        if w == "(": t = chain(); take(")"); return t
        if w in ("exactly", "at", "all", "any"):
            how = take() if w == "at" else w
            k = int(take()) if how not in ("all", "any") else None
            take("of"); take("{"); picked = 0
            while peek() != "}":
                x = take()
                if x != ",": picked |= 1 << names.index(x)
            take("}")
            test = {"exactly": lambda c: c == k, "least": lambda c: c >= k, "most": lambda c: c <= k,
                    "all": lambda c: c == picked.bit_count(), "any": lambda c: c >= 1}[how]
            return [int(test((m & picked).bit_count())) for m in range(size)]
        return [m >> names.index(w) & 1 for m in range(size)]
    def chain():
        t = atom()
        while peek() in ("&&", "||", "xor"):
            op, u = take(), atom()
            t = [{"&&": a & b, "||": a | b, "xor": a ^ b}[op] for a, b in zip(t, u)]
        return t
    tt = chain()
    if peek(): sys.exit(f"unexpected {peek()}")
    return names, tuple(tt)

def subsets(m):
    s = m
    while True:
        yield s
        if not s: return
        s = (s - 1) & m

def sites_of(m): return tuple(i for i in range(m.bit_length()) if m >> i & 1)

@lru_cache(None)
def minimal(tt, pin, ban):
    """The minimal outcomes that contain `pin` and avoid `ban`, in written order."""
    fit = [w for w in range(len(tt)) if tt[w] and w & pin == pin and not w & ban]
    return tuple(sorted((w for w in fit if not any(v != w and v & w == v for v in fit)), key=sites_of))

@lru_cache(None)
def holds(tt, w, strays):
    """True whichever of `strays` turn out to have the effect: the only ground for `done`, and for sending on."""
    return all(tt[w | v] for v in subsets(strays))

# ---- what the journal says of one site ------------------------------------------------------------------------
#  new      nothing of ours is here, nothing on its way        (closed)      cut   the same; but it did not answer
#  sent     request out, answer awaited                                      open  time limit passed: may be, may come
#  soft     a probe found nothing, but the request may still come
#  shut     fenced: nothing comes any more; what came is to be probed
#  there    seen here                                                        stuck there; its undo was refused
#  undoing  undo out, answer awaited                                         lost  undo unanswered: doomed, never kept
#  again    a further undo out
Belief = namedtuple("Belief", "st x loose")      # x: never again in an outcome (refused, broken, given up)
CLOSED = ("new", "cut")                          # loose: an older request to this site may still be carried out

Opts = namedtuple("Opts", "fence keyed overlap fail ensure by_name dup mutant lazy",
                  defaults=("ticket", False, False, True, False, False, False, "", ()))
#  fence    ticket: the runner can destroy something the request needs, then probes
#           quiet: assumed that between two answered probes Q apart all older requests are carried out or gone
#           none:  no fence: a silent site is never closed       watch: none, but counted absent, and watched
PURSUING, FAILING, UNTOLD, TOLD_FAILED = -1, -2, -1, -2          # else: the mask of the outcome

# ---- the decision ---------------------------------------------------------------------------------------------

def plan(tt, beliefs, goal, o, every=False):
    """Beliefs and goal -> list of actions ('send'|'probe'|'fence'|'quiet'|'undo', site) or ('done', W), ('abandon', 0),
    ('failed', 0); an empty list means wait. `every`: whichever minimal outcome is gone for. "orders": the union over
    all orders in which sites may be preferred, which is what a runner can do."""
    def mask(test): return sum(1 << i for i, b in enumerate(beliefs) if test(b))
    there = mask(lambda b: b.st in ("there", "stuck") and not b.x)
    watched = mask(lambda b: b.st == "soft") if o.fence == "watch" else 0
    closed = mask(lambda b: b.st in CLOSED) | watched
    unknown = (1 << len(beliefs)) - 1 & ~there & ~closed           # a broken thing counts here too: it has to go
    unsure = mask(lambda b: b.st not in CLOSED + ("there", "stuck")) & ~watched
    if o.mutant == "unknown-is-absent": unknown &= ~mask(lambda b: b.st in ("open", "soft"))
    acts = []

    def learn(i, b):                       # towards knowing
        if b.st in ("open", "shut"): acts.append(("probe", i))
        elif b.st == "soft":
            if o.fence == "ticket": acts.append(("fence", i))
            elif o.fence == "quiet": acts.append(("quiet", i))
            else: acts.append(("probe", i))
        elif b.st == "lost": acts.append(("probe" if o.mutant == "revive" else "undo", i))
    def remove(i, b):                      # towards absent
        if b.st in ("there", "stuck"): acts.append(("undo", i))
        else: learn(i, b)

    if goal != PURSUING:
        keep = goal if goal >= 0 else 0
        for i, b in enumerate(beliefs):
            if not keep >> i & 1: remove(i, b)
            if o.mutant == "queued-send" and goal == FAILING and b == Belief("cut", 0, 0): acts.append(("send", i))
        if goal == FAILING and closed == (1 << len(beliefs)) - 1: acts.append(("failed", 0))
        return acts

    ban = mask(lambda b: b.x) | (0 if o.keyed else watched)
    pin = mask(lambda b: b.st == "stuck") & ~ban
    wanted = minimal(tt, pin, ban)
    for w in wanted + (there,):
        if not w & ~there and (holds(tt, w, (there | unknown) & ~w)
                               or o.mutant == "early-tidy" and holds(tt, there, unknown)):
            return [("done", w)]
    if not wanted: return [("abandon", 0)]
    if every is not True:                  # silent and unreachable sites last, then the order of preference
        tired = mask(lambda b: b.st in ("open", "soft", "shut", "lost", "cut"))
        ready = [w for w in wanted if not w & tired and (o.overlap or holds(tt, w, (there | unknown) & ~w))]
        orders = itertools.permutations(range(len(beliefs))) if every else [range(len(beliefs))]
        wanted = [min(ready or wanted, key=lambda w: sorted(map(order.index, sites_of(w)))) for order in orders]
    for w in wanted:
        strays = (there | unknown) & ~w
        harmless = holds(tt, w, strays)
        for i, b in enumerate(beliefs):
            if w >> i & 1:
                again = o.keyed and b.st == "soft" and not (o.by_name and b.loose)      # else a late undo would take it
                again |= o.mutant == "resend" and b.st == "open"
                if (b.st in CLOSED or again) and (harmless or o.overlap): acts.append(("send", i))
                else: learn(i, b)
            elif b.x and not harmless or not (harmless or unsure): remove(i, b)
            else: learn(i, b)                        # know first: undo only what is known to be in the way
    return list(dict.fromkeys(acts))

# ---- what the runner's actions and the world do to one site -----------------------------------------------------
Site = namedtuple("Site", "st x loose n b c d f")   # belief; n effects here, b broken; c creates and d undos on the wire;
                                                    # f faults left
def settle(s, o):                                   # an undo by id dies with its effect
    return s._replace(b=0, d=s.d if o.by_name else 0) if s.n == 0 else s
def land(s, o): return s._replace(c=s.c - 1, n=1 if o.keyed and s.n else s.n + 1)
def closed_or_soft(s, x=0): return s._replace(st="soft" if s.loose else "new", x=s.x | x)

def act(verb, s, o):
    """The runner's side of one action (the probe is answered at once: a lost probe changes nothing)."""
    if verb == "send":
        return s._replace(st="sent", c=s.c + 1, loose=int(s.st in ("soft", "open") and o.mutant != "trust-key"))
    if verb == "undo":
        again = s.st == "lost"
        return s._replace(st="again" if again else "undoing", d=min(s.d + 1, 2),
                          loose=int(s.loose or again and o.by_name and o.mutant != "trust-name"))
    if verb == "fence":
        s = s._replace(st="shut", loose=0, c=0, d=0 if o.by_name else s.d)
        return closed_or_soft(s) if o.mutant == "probe-then-fence" else s
    if verb == "quiet":
        if s.c or s.d: return None                           # the assumption: nothing is on its way after Q
        return s._replace(st="there" if s.n else "cut", x=s.x | s.b, loose=0)
    if verb == "probe":
        if s.n: return s._replace(st="there", x=s.x | s.b)
        if s.st == "open" and o.mutant != "first-probe": return s._replace(st="soft")
        return s if s.st in ("soft", "open") and o.mutant != "first-probe" else s._replace(st="cut", loose=0)

def world(s, o):
    """What the site, the network and the clock may do next: (label, site after, is it a fault)."""
    out = []
    def may(label, t, fault=0):
        if not fault or s.f: out.append((label, settle(t._replace(f=s.f - fault), o), fault))
    if s.st == "sent" and s.c:
        landed, dropped = land(s, o), s._replace(c=s.c - 1)
        may("done", landed._replace(st="there"))
        if not (o.keyed and s.n):
            may("refused", closed_or_soft(dropped, 1))
            may("makes a broken one", landed._replace(st="there", x=1, b=1))
        may("acts, answer lost", landed._replace(st="open"), 1)
        may("request lost", dropped._replace(st="open"), 1)
        may("is silent, request still on its way", s._replace(st="open"), 1)
        unsent = closed_or_soft(dropped)
        may("unreachable", unsent._replace(st="cut") if unsent.st == "new" else unsent, 1)
        if o.dup: may("done, request delivered twice", landed._replace(st="there", c=landed.c + 1), 1)
    if s.c > (s.st == "sent"):
        may("LATE request acts", land(s, o))
        may("late request dropped", s._replace(c=s.c - 1))
    if s.st in ("undoing", "again"):                                # d = 0: its effect is gone, 404, which means undone
        gone = s._replace(n=max(s.n - 1, 0), d=s.d - 1) if s.d else s
        may("undone", closed_or_soft(gone))
        may("undo acts, answer lost", gone._replace(st="lost"), 1)
        may("undo lost", s._replace(d=max(s.d - 1, 0), st="lost"), 1)
        may("undo silent, still on its way", s._replace(st="lost"), 1)
        stays = "stuck" if s.st == "undoing" and not s.loose else "lost"
        if s.n and s.d: may("refuses undo", s._replace(d=s.d - 1, st=stays), 1)
    if s.d > (s.st in ("undoing", "again")):
        may("LATE undo acts", s._replace(n=max(s.n - 1, 0), d=s.d - 1))
        may("late undo dropped", s._replace(d=s.d - 1))
    if o.fail and not s.x and s.st in ("open", "soft", "shut", "cut"): out.append(("given up", s._replace(x=1), 2))
    return out

def crash(b): return b._replace(st={"sent": "open", "undoing": "lost", "again": "lost"}.get(b.st, b.st))

# ---- exploring every history -------------------------------------------------------------------------------------
State = namedtuple("State", "sites goal told crashes disk")      # disk: beliefs and goal at the last sync, if older

def successors(tt, state, o, heal, memo, every=True):
    """Every (label, state) one step on. heal: no faults, no crashes, the written order of preference."""
    sites, goal, told, crashes, disk = state
    for s in sites:
        if s not in memo: memo[s] = Belief(*s[:3]), world(s, o)
    beliefs = tuple(memo[s][0] for s in sites)
    def put(i, s): return sites[:i] + (s,) + sites[i + 1:]
    def after(kind, sites, goal, told):      # an entry of this kind is journaled: synced, or left to the page cache
        was = (disk or (beliefs, goal)) if kind in o.lazy else None
        return State(sites, goal, told, crashes, was)
    for i, s in enumerate(sites):
        for label, t, fault in memo[s][1]:
            if heal and fault: continue
            if t[:3] != s[:3]: yield (i, label), after("answer", put(i, t), goal, told)
            else: yield (i, label), State(put(i, t), goal, told, crashes, disk)
    key = (beliefs, goal, heal)
    if key not in memo: memo[key] = plan(tt, beliefs, goal, o, every=not heal and every)
    for verb, i in memo[key]:
        if verb == "done": yield f"runner: done {names(i)}", after("verdict", sites, i, i)
        elif verb == "abandon": yield "runner: no outcome left", after("answer", sites, FAILING, told)
        elif verb == "failed":
            if told == UNTOLD: yield "runner: failed", after("verdict", sites, goal, TOLD_FAILED)
        else:
            s = sites[i]
            if verb != "send" and s.st in CLOSED: raise Wrong("P5: touched a site that was never asked")
            t = act(verb, s, o)
            if t is None or t == s: continue
            kind = {"send": "send", "undo": "undo"}.get(verb, "answer")
            yield f"runner: {verb} {'ABCDEF'[i]}", after(kind, put(i, settle(t, o)), goal, told)
    if crashes and not heal:
        for old in {None, disk}:
            kept, g = old or (beliefs, goal)
            back = tuple(s._replace(**crash(b)._asdict()) for s, b in zip(sites, kept))
            yield "runner: crash" + (", unsynced entries lost" if old else ""), State(back, g, told, crashes - 1, None)

class Wrong(Exception): pass
def names(m): return "{" + ",".join("ABCDEF"[i] for i in sites_of(m)) + "}"

def complaints(tt, state, o):
    """What is wrong in this single state."""
    here = 0
    for i, s in enumerate(state.sites):
        mine = state.told >= 0 and state.told >> i & 1
        if s.n > 1: yield "P2: two effects at one site"
        if s.st in CLOSED and (s.n or s.c): yield "P3: it is there, or may still come, and the journal says absent"
        if s.st in ("there", "stuck") and not s.n: yield "P3: the journal says there, and it is not"
        if mine and (s.st not in ("there", "stuck") or s.b): yield "P1: part of the told outcome is in doubt"
        watched = o.fence == "watch" and state.told != UNTOLD and not mine and s.st not in CLOSED
        watched = watched and o.mutant != "strict"           # an open entry of the journal looks after it
        if s.n and not watched: here |= 1 << i
    if state.told >= 0 and (state.told & ~here or not tt[here]):
        yield f"P1: told done {names(state.told)}, the world is {names(here)}"
    if state.told == TOLD_FAILED and here: yield f"P1: told failed, the world is {names(here)}"
    promised = o.mutant == "p6" or not (o.overlap or o.ensure or o.fence == "watch")
    if promised and not any(tt[w] and not here & ~w for w in range(len(tt))):
        yield f"P6: {names(here)} is there, more than any accepted outcome"

def final(state, o):
    """Nothing left to do, and nothing owed."""
    keep = max(state.told, 0)
    return state.told != UNTOLD and all(
        s.n == (keep >> i & 1) and not s.c and (keep >> i & 1 or s.st in CLOSED or o.fence == "watch" and s.st == "soft")
        for i, s in enumerate(state.sites))

def explore(tt, n, o, faults, crashes, only="P", every=True):
    """All histories of one formula: (states, None) or (states, (what went wrong, shortest history))."""
    memo, queue, came = {}, deque(), {}
    for have in itertools.product((0, 1), repeat=n) if o.ensure else [(0,) * n]:
        start = State(tuple(Site("shut" if o.ensure else "new", 0, 0, h, 0, 0, 0, faults) for h in have),
                      PURSUING, UNTOLD, crashes, None)
        came[start] = None; queue.append(start)
    def history(state, *more):
        steps = []
        while came[state]: state, label = came[state]; steps.append(label)
        return [x if isinstance(x, str) else f"{'ABCDEF'[x[0]]}: {x[1]}" for x in steps[::-1]] + list(more)
    state = None
    try:
        while queue:
            state = queue.popleft()
            for wrong in complaints(tt, state, o):
                if wrong.startswith(only): raise Wrong(wrong)
            for label, nxt in successors(tt, state, o, False, memo, every):
                if nxt not in came:
                    came[nxt] = (state, label); queue.append(nxt)
    except Wrong as wrong: return len(came), (str(wrong), history(state))
    if only not in ("P", "P4"): return len(came), None
    done = set()                                # P3 and P4: from every state, healed, no cycle and no bad end
    for root in came:
        if root in done: continue
        path, open_ = [(root, None)], {root}
        while path:
            state, steps = path[-1]
            if steps is None:
                nexts = [x for _, x in successors(tt, state, o, True, memo) if x != state]
                if not nexts and not final(state, o):
                    return len(came), ("P3/P4: stops with debts", history(state, "(healed)"))
                steps = iter(nexts); path[-1] = (state, steps)
            nxt = next((x for x in steps if x not in done), None)
            if nxt is None: done.add(state); open_.discard(state); path.pop()
            elif nxt in open_: return len(came), ("P4: goes round for ever", history(root, "(healed)"))
            else: open_.add(nxt); path.append((nxt, None))
    return len(came), None

# ---- all formulas, up to the names of their truth tables ---------------------------------------------------------

def formulas(n):
    """Every truth table that depends on all of n sites and does not accept the empty outcome (there nothing would be
    sent), with a short text for each."""
    letters, size = "ABCDEF"[:n], 1 << n
    full, text = (1 << size) - 1, {}                                    # a truth table as a number -> text
    def cost(t): return len(t), (w := [c for c in t if c in letters]) != sorted(w), t
    def offer(t, made):
        if t and t != full and (t not in text or cost(made) < cost(text[t])): text[t] = made; return True
    for i, c in enumerate(letters): offer(sum(1 << m for m in range(size) if m >> i & 1), c)
    for some in (x for r in range(2, n + 1) for x in itertools.combinations(range(n), r)):
        for k, (how, test) in itertools.product(range(1, n), (("exactly", int.__eq__), ("at least", int.__ge__))):
            offer(sum(1 << m for m in range(size) if test(sum(m >> i & 1 for i in some), k)),
                  f"{how} {k} of {{{','.join(letters[i] for i in some)}}}")
    def wrap(t): return t if len(t) <= 2 or t.endswith("}") and t.count("of") == 1 and t[0] in "ea" else f"({t})"
    while any([offer(t, made) for a, b in itertools.product(list(text), repeat=2) for t, made in (
            (a & b, f"{wrap(text[a])} && {wrap(text[b])}"), (a | b, f"{wrap(text[a])} || {wrap(text[b])}"),
            (a ^ b, f"{wrap(text[a])} xor {wrap(text[b])}"), (full ^ a, f"!{wrap(text[a])}"))]): pass
    for t in sorted(text, key=lambda t: cost(text[t])):
        tt = tuple(t >> m & 1 for m in range(size))
        if not tt[0] and all(any(tt[m] != tt[m ^ 1 << i] for m in range(size)) for i in range(n)): yield text[t], tt

# ---- the commands ------------------------------------------------------------------------------------------------

def check(args):
    o = Opts(fence=args.fence, keyed=args.keyed, overlap=args.overlap, ensure=args.ensure, by_name=args.by_name,
             dup=args.dup, lazy=tuple(args.lazy.split(",")) if args.lazy else (), mutant="strict" if args.strict else "")
    work = [(args.formula,) + parse(args.formula)] if args.formula else [
        (f, "ABC"[:n], tt) for n in range(1, args.sites + 1) for f, tt in formulas(n)]
    total, bad, began = 0, 0, time.time()
    for i, (text, sites, tt) in enumerate(work):
        if i % args.parts != args.part: continue
        states, wrong = explore(tt, len(sites), o, args.faults, args.crashes, args.only, "orders" if args.orders else True)
        total += states; bad += bool(wrong)
        if wrong or args.formula or args.verbose:
            print(f"{text}: {states} states: {wrong[0] if wrong else 'ok'}", flush=True)
            for step in wrong[1] if wrong else (): print("    " + step)
    print(f"{len(work)} formulas, {total} states, {bad} wrong, {time.time() - began:.0f} s  [{o}]")
    return bad

MUTANTS = [  # rule switched off, options, formula, property that then falls
    ("one probe that finds nothing is believed", dict(mutant="first-probe"), "A xor B", "P1"),
    ("  (the same)", dict(mutant="first-probe"), "A && B", "P2"),
    ("  (the same: told failed, then it appears)", dict(mutant="first-probe"), "A && B", "P1: told failed"),
    ("unknown is evaluated as absent", dict(mutant="unknown-is-absent"), "A xor B", "P1"),
    ("the marker is not looked for before a second send", dict(mutant="resend"), "A && B", "P2"),
    ("another outcome is sent while a site it excludes is unknown", dict(overlap=True, mutant="p6"), "A xor B", "P6"),
    ("the probe that counts comes before the fence", dict(mutant="probe-then-fence"), "A && B", "P3"),
    ("an effect whose undo went unanswered is kept", dict(mutant="revive"), "exactly 2 of {A,B,C}", "P1"),
    ("undo by name, a repeated one trusted", dict(by_name=True, mutant="trust-name"), "exactly 2 of {A,B,C}", "P"),
    ("a second create of a unique name closes the first", dict(fence="none", keyed=True, mutant="trust-key"), "A && B", "P3"),
    ("surplus removed though the rest holds only with it", dict(mutant="early-tidy"), None, "P1"),
    ("deferred sends are stored, and go out on return", dict(mutant="queued-send"), "A && B", "P1"),
    ("send journaled without sync", dict(lazy=("answer", "send")), "A && B", "P3"),
    ("undo journaled without sync", dict(lazy=("answer", "undo")), "exactly 2 of {A,B,C}", "P1"),
    ("verdict told without sync", dict(lazy=("answer", "verdict")), "A || B", "P1: told done"),
    ("no fence, nothing promised beyond it", dict(fence="none"), "A xor B", "P"),
    ("no fence, silent counted absent and watched", dict(fence="watch", mutant="strict"), "A xor B", "P1"),
    ("a create delivered twice (no unique name)", dict(dup=True), "A", "P2"),
    ("a create delivered twice (unique name)", dict(dup=True, keyed=True), "A && B", "P3"),
]

def mutants(args):
    missed = 0
    for why, opts, text, only in MUTANTS:
        for name, (sites, tt) in ([(text, parse(text))] if text else ((f, ("ABC", tt)) for f, tt in formulas(3))):
            states, wrong = explore(tt, len(sites), Opts(**opts), 1 if len(sites) > 2 else 2, 1, only)
            if wrong: break
        print(f"{why.strip()}\n  {name}: {wrong[0] if wrong else 'NOT CAUGHT'} ({states} states)")
        if wrong: print("    " + "; ".join(wrong[1]))
        missed += not wrong
    return missed

SEEN = {   # an observation -> the beliefs at which it can be made, and the belief after it
    "done": ("sent", lambda b: b._replace(st="there")), "refused": ("sent", lambda b: closed_or_soft(b, 1)),
    "broken": ("sent open soft shut", lambda b: b._replace(st="there", x=1)),
    "silent": ("sent undoing again", lambda b: b._replace(st="open" if b.st == "sent" else "lost")),
    "unreachable": ("sent", lambda b: b._replace(st="soft" if b.loose else "cut")),
    "back": ("cut", lambda b: b._replace(st="new")),
    "found": ("open soft shut", lambda b: b._replace(st="there")),
    "absent": ("open soft shut", lambda b: b._replace(st="cut", loose=0) if b.st == "shut" else b._replace(st="soft")),
    "fenced": ("soft", lambda b: b._replace(st="shut", loose=0)), "quiet": ("soft", lambda b: b._replace(st="cut", loose=0)),
    "undone": ("undoing again stuck", closed_or_soft), "given-up": ("open soft shut cut", lambda b: b._replace(x=1)),
    "undo-refused": ("undoing again", lambda b: b._replace(st="stuck" if b.st == "undoing" and not b.loose else "lost"))}

def standing(tt, beliefs, goal, told, o):
    owed = [i for i, b in enumerate(beliefs) if b.st not in CLOSED and not (goal >= 0 and goal >> i & 1)]
    if told >= 0: return f"done {names(told)}" + (f", still to tidy {names(sum(1 << i for i in owed))}" if owed else "")
    if told == TOLD_FAILED: return "failed"
    waits = all(b.st in CLOSED + ("sent", "undoing", "again", "there") for b in beliefs)
    return "failing" if goal == FAILING else "open" if waits else "unsettled"

def advance(tt, beliefs, goal, told, o):
    """Take every action that is due. Pending until observed: probes, fences, whatever waits for a site to be back."""
    issued = []
    while acts := plan(tt, beliefs, goal, o):
        fresh = [a for a in acts if a not in issued and not (a[0] == "failed" and told == TOLD_FAILED)]
        if not fresh: break
        for verb, i in fresh:
            issued.append((verb, i))
            if verb in ("send", "undo") and beliefs[i].st in ("cut", "stuck"): continue      # due when it is back
            if verb == "done": goal = told = i
            elif verb == "abandon": goal = FAILING
            elif verb == "failed": told = TOLD_FAILED
            elif verb in ("send", "undo"):
                t = act(verb, Site(*beliefs[i], 1, 0, 0, 0, 0), o)
                beliefs = beliefs[:i] + (Belief(t.st, t.x, t.loose),) + beliefs[i + 1:]
    return issued, beliefs, goal, told

def show(issued, sites):
    return [f"done {{{','.join(sites[j] for j in sites_of(i))}}}" if v == "done" else
            v if v in ("abandon", "failed") else f"{v} {sites[i]}" for v, i in issued]

def next_(args):
    sites, tt = parse(args.formula)
    o = Opts(fence=args.fence, keyed=args.keyed, overlap=args.overlap)
    beliefs, goal, told = tuple(Belief("shut" if args.ensure else "new", 0, 0) for _ in sites), PURSUING, UNTOLD
    for seen in [None] + args.seen:
        if seen == "crash": beliefs = tuple(crash(b) for b in beliefs)
        elif seen:
            site, what = seen.split("=")
            at, now = SEEN[what][0].split(), beliefs[sites.index(site)].st
            if now not in at: sys.exit(f"`{seen}` cannot be seen: {site} is {now}, not {' or '.join(at)}")
            beliefs = tuple(SEEN[what][1](b) if n == site else b for n, b in zip(sites, beliefs))
        issued, beliefs, goal, told = advance(tt, beliefs, goal, told, o)
        now = standing(tt, beliefs, goal, told, o)
        print(f"{seen or 'start':16} -> {'; '.join(show(issued, sites)) or 'wait':32} [{now}]  "
              + " ".join(f"{n}:{b.st}{'!' if b.x else ''}" for n, b in zip(sites, beliefs)))

KINDS = [Belief(st.rstrip("!"), int("!" in st), 0) for st in              # !: out, never again in an outcome
         "new new! cut sent open soft shut there there! undoing lost stuck".split()]

def table(args):
    o = Opts(fence=args.fence, keyed=args.keyed, overlap=args.overlap)
    for text, _ in (f for n in range(1, args.sites + 1) for f in formulas(n)):
        sites, tt = parse(text)
        for beliefs in itertools.product(KINDS, repeat=len(sites)):
            row = {n: b.st + ("!" if b.x else "") for n, b in zip(sites, beliefs)}
            print(json.dumps({"formula": text, **row, "next": show(plan(tt, beliefs, PURSUING, o), sites)}))

def decisions(args):
    """Writes decisions.txt beside this file. A section for each choice of options: a line `# options`, lines `=code
    TAB decision`, then lines `formula TAB codes` with one code for each row of `table`. Without a fence or with
    *quiet* the decisions are those with a *ticket* but for the word, which is checked here and not written."""
    def all_of(o):
        for text, _ in (f for n in (1, 2, 3) for f in formulas(n)):
            sites, tt = parse(text)
            yield text, [", ".join(show(plan(tt, beliefs, PURSUING, o), sites))
                         for beliefs in itertools.product(KINDS, repeat=len(sites))]
    def word(o, to): return [(f, [d.replace("fence", to) for d in rows]) for f, rows in all_of(o)]
    assert word(Opts(), "quiet") == list(all_of(Opts(fence="quiet")))
    assert word(Opts(), "probe") == list(all_of(Opts(fence="none")))
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "decisions.txt"), "w") as out:
        for title, o in (("ticket", Opts()), ("watch", Opts(fence="watch")), ("ticket overlap", Opts(overlap=True)),
                         ("none keyed", Opts(fence="none", keyed=True))):
            rows, codes = list(all_of(o)), {}
            for d in sorted({d for _, ds in rows for d in ds}):
                codes[d] = chr((0x21 if len(codes) < 94 else 0xa1 - 94) + len(codes))
            print(f"# {title}", *(f"={c}\t{d}" for d, c in codes.items()), sep="\n", file=out)
            print(*(f + "\t" + "".join(codes[d] for d in ds) for f, ds in rows), sep="\n", file=out)

ONE_OF_EACH = ("exactly 1 of {A,B,C}", "exactly 2 of {A,B,C}", "at least 2 of {A,B,C}", "(A && B) && C", "A && (B || C)",
               "(A xor B) && C", "(A && !B) || (B && C)")

def histories(args):
    """Writes histories.txt beside this file: for each choice of options (a line `# options`) and each formula of one
    or two sites how many states are reached, and which promises are broken in some. Then the same for the formulas of
    three sites above, with few options."""
    def line(text, o):
        sites, tt = parse(text)
        tt = dict(formulas(len(sites)))[text]
        def found(only): return explore(tt, len(sites), o, 1, 1, only, "orders")
        states, wrong = found("P")
        broken = [p for p in ("P1", "P2", "P3:", "P4", "P5", "P6") if found(p)[1]] if wrong else []
        return "\t".join([text, str(found("none")[0] if wrong else states), *broken])
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "histories.txt"), "w") as out:
        flags = ("overlap", "keyed", "ensure", "by_name")
        small = [text for n in (1, 2) for text, _ in formulas(n)]
        for texts in (small, ONE_OF_EACH):
            for fence, *on in itertools.product(("ticket", "quiet", "none", "watch"), *[(False, True)] * len(flags)):
                chosen = [flag for flag, is_on in zip(flags, on) if is_on]
                if texts is small or not chosen or (fence == "ticket" and len(chosen) == 1):
                    print("# " + " ".join([fence, *chosen]), file=out, flush=True)
                    o = Opts(fence=fence, **{flag: True for flag in chosen})
                    for text in texts: print(line(text, o), file=out, flush=True)

def main():
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = top.add_subparsers(dest="command", required=True)
    commands = dict(check=check, mutants=mutants, next=next_, table=table, decisions=decisions, histories=histories)
    for name, run in commands.items():
        p = sub.add_parser(name); p.set_defaults(run=run)
        p.add_argument("--fence", default="ticket", choices=("ticket", "quiet", "none", "watch"))
        for flag in ("--keyed", "--overlap", "--ensure", "--by-name", "--dup", "--strict", "--orders", "--verbose"):
            p.add_argument(flag, action="store_true")
        p.add_argument("--sites", type=int, default=2)
        p.add_argument("--faults", type=int, default=1); p.add_argument("--crashes", type=int, default=1)
        p.add_argument("--only", default="P"); p.add_argument("--lazy", default="")
        p.add_argument("--part", type=int, default=0); p.add_argument("--parts", type=int, default=1)
        if name in ("check", "next"): p.add_argument("formula", nargs="?" if name == "check" else None)
        if name == "next": p.add_argument("seen", nargs="*", metavar="SITE=" + "|".join(SEEN))
    args = top.parse_args()
    sys.exit(1 if args.run(args) else 0)

if __name__ == "__main__": main()
