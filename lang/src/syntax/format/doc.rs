//! Text with places where a line may end, and the printer that chooses among them (after Wadler, "A prettier
//! printer"). A group is on one line if it fits; otherwise all its own lines end.
//!
//! Comments are part of the document: a line that has one ends after it, wherever that is, so that no comment can
//! swallow what follows and none is lost.

pub const WIDTH: usize = 110;
const INDENT: usize = 2;

#[derive(Debug)]
pub enum Doc<'a> {
    Text(&'a str),
    Owned(String),
    /// A string as it was written; may hold line ends.
    Verbatim(&'a str),
    Space,
    /// A space, or a line end in a group that is broken.
    Line,
    /// Nothing, or a line end in a group that is broken.
    SoftLine,
    /// A space, or a line end where what follows does not fit, in a group that is broken.
    FillLine,
    /// As `Line`, with an empty line where it ends.
    Blank,
    Group(Vec<Doc<'a>>),
    /// A group that is not on one line, whether it fits or not.
    Broken(Vec<Doc<'a>>),
    Nest(Vec<Doc<'a>>),
    /// Goes on after a space, or in a group that is broken on a line of its own, indented: where it fits as a whole,
    /// else where its beginning does.
    Continue(Vec<Doc<'a>>),
    IfBroken {
        broken: &'static str,
        flat: &'static str,
    },
    /// After what stands before it on its line.
    Trailing(&'a str),
    /// On a line of its own.
    OwnLine(&'a str),
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Flat,
    Broken,
}

#[derive(Clone, Copy)]
struct Job<'d, 'a> {
    indent: usize,
    mode: Mode,
    doc: &'d Doc<'a>,
}

pub fn print(docs: &[Doc]) -> String {
    let mut printer = Printer::default();
    let mut jobs: Vec<Job> = Vec::new();
    push_all(&mut jobs, docs, 0, Mode::Broken);
    while let Some(Job { indent, mode, doc }) = jobs.pop() {
        match doc {
            Doc::Text(text) => printer.text(text, indent),
            Doc::Owned(text) => printer.text(text, indent),
            Doc::Verbatim(text) => printer.text(text, indent),
            Doc::Space => printer.space = true,
            Doc::Line | Doc::Blank | Doc::FillLine if mode == Mode::Flat => printer.space = true,
            Doc::SoftLine if mode == Mode::Flat => {}
            Doc::Line | Doc::SoftLine => printer.end_line(indent, false),
            Doc::Blank => printer.end_line(indent, true),
            Doc::FillLine => {
                if !printer.after_comment && fits(&[], &jobs, WIDTH.saturating_sub(printer.column + 1)) {
                    printer.space = true;
                } else {
                    printer.end_line(indent, false);
                }
            }
            Doc::Group(inner) => {
                let left = WIDTH.saturating_sub(printer.column + usize::from(printer.space));
                let flat = mode == Mode::Flat || !printer.after_comment && fits(inner, &jobs, left);
                push_all(&mut jobs, inner, indent, if flat { Mode::Flat } else { Mode::Broken });
            }
            Doc::Broken(inner) => push_all(&mut jobs, inner, indent, Mode::Broken),
            Doc::Nest(inner) => push_all(&mut jobs, inner, indent + INDENT, mode),
            Doc::Continue(inner) if mode == Mode::Flat => {
                printer.space = true;
                push_all(&mut jobs, inner, indent, mode);
            }
            Doc::Continue(inner) => {
                let here = WIDTH.saturating_sub(printer.column + 1);
                let below = WIDTH.saturating_sub(indent + INDENT);
                let depth = jobs.len();
                let stays = if printer.after_comment {
                    false
                } else if fits(inner, &jobs, here) {
                    true
                } else if fits(inner, &jobs, below) {
                    false
                } else {
                    push_all(&mut jobs, inner, indent, Mode::Broken);
                    let begins = fits(&[], &jobs, here);
                    jobs.truncate(depth);
                    begins
                };
                if stays {
                    printer.space = true;
                    push_all(&mut jobs, inner, indent, mode);
                } else {
                    printer.end_line(indent + INDENT, false);
                    push_all(&mut jobs, inner, indent + INDENT, mode);
                }
            }
            Doc::IfBroken { broken, flat } => {
                let text = if mode == Mode::Broken { broken } else { flat };
                if !text.is_empty() {
                    printer.text(text, indent);
                }
            }
            Doc::Trailing(text) => printer.comment(text, indent, false),
            Doc::OwnLine(text) => printer.comment(text, indent, true),
        }
    }
    printer.out.truncate(printer.out.trim_end_matches([' ', '\n']).len());
    if !printer.out.is_empty() {
        printer.out.push('\n');
    }
    printer.out
}

fn push_all<'d, 'a>(jobs: &mut Vec<Job<'d, 'a>>, docs: &'d [Doc<'a>], indent: usize, mode: Mode) {
    jobs.extend(docs.iter().rev().map(|doc| Job { indent, mode, doc }));
}

/// Do `inner` on one line, and what follows up to the next place where a line can end, fit into `left`?
fn fits(inner: &[Doc], rest: &[Job], left: usize) -> bool {
    let mut left = left;
    // What follows is asked for its first possible line end only: groups there count as broken.
    let mut jobs: Vec<(bool, Mode, &Doc)> = inner.iter().rev().map(|doc| (true, Mode::Flat, doc)).collect();
    let mut rest = rest.iter().rev();
    loop {
        let (inside, mode, doc) = match jobs.pop() {
            Some(job) => job,
            None => match rest.next() {
                Some(job) => (false, job.mode, job.doc),
                None => return true,
            },
        };
        let width = match doc {
            Doc::Text(text) => width(text),
            Doc::Owned(text) => width(text),
            Doc::Verbatim(text) => match text.split_once('\n') {
                Some((first, _)) => return width(first) <= left,
                None => width(text),
            },
            Doc::Space => 1,
            Doc::Line | Doc::FillLine | Doc::Blank if mode == Mode::Flat => 1,
            Doc::SoftLine if mode == Mode::Flat => 0,
            Doc::Line | Doc::SoftLine | Doc::FillLine | Doc::Blank => return true,
            Doc::Continue(_) if mode == Mode::Broken => return true,
            Doc::Continue(inner) => {
                jobs.extend(inner.iter().rev().map(|doc| (inside, mode, doc)));
                1
            }
            Doc::Broken(_) if inside => return false,
            Doc::Group(inner) | Doc::Broken(inner) => {
                let mode = if inside { Mode::Flat } else { Mode::Broken };
                jobs.extend(inner.iter().rev().map(|doc| (inside, mode, doc)));
                0
            }
            Doc::Nest(inner) => {
                jobs.extend(inner.iter().rev().map(|doc| (inside, mode, doc)));
                0
            }
            Doc::IfBroken { broken, flat } => width(if mode == Mode::Broken { broken } else { flat }),
            // A comment may stand out; the line ends after it.
            Doc::Trailing(_) | Doc::OwnLine(_) => return !inside,
        };
        if width > left {
            return false;
        }
        left -= width;
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[derive(Default)]
struct Printer {
    out: String,
    column: usize,
    /// To be written before the next text, unless the line ends.
    space: bool,
    after_comment: bool,
    /// The comment stands where a line of the document begins: so does what follows it.
    comment_at_start: bool,
}

impl Printer {
    fn text(&mut self, text: &str, indent: usize) {
        if self.after_comment {
            let indent = if self.comment_at_start { indent } else { indent + INDENT };
            self.end_line(indent, false);
        }
        if self.space && self.column > 0 && !self.at_start() {
            self.out.push(' ');
            self.column += 1;
        }
        self.space = false;
        self.out.push_str(text);
        match text.rsplit_once('\n') {
            Some((_, last)) => self.column = width(last),
            None => self.column += width(text),
        }
    }

    /// Only indentation stands on the line.
    fn at_start(&self) -> bool {
        self.out.is_empty() || self.out.ends_with('\n') || self.line_is_blank()
    }

    fn line_is_blank(&self) -> bool {
        let tail = self.out.trim_end_matches(' ');
        tail.is_empty() || tail.ends_with('\n')
    }

    fn end_line(&mut self, indent: usize, blank: bool) {
        self.space = false;
        self.after_comment = false;
        if self.out.is_empty() {
            return;
        }
        self.out.truncate(self.out.trim_end_matches(' ').len());
        if !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        if blank && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.column = indent;
    }

    fn comment(&mut self, text: &str, indent: usize, own_line: bool) {
        if self.after_comment {
            let indent = if self.comment_at_start { indent } else { indent + INDENT };
            self.end_line(indent, false);
        } else if self.at_start() {
            self.comment_at_start = true;
        } else {
            self.comment_at_start = false;
            if own_line {
                self.end_line(indent + INDENT, false);
            } else {
                self.out.push_str("  ");
            }
        }
        self.space = false;
        self.out.push_str(text);
        self.column += width(text);
        self.after_comment = true;
    }
}
