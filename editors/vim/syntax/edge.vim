" Highlighting of Edge. The lists of words are those of the lexer; a test compares them.
if exists("b:current_syntax")
  finish
endif

syn case match
syn iskeyword @,48-57,_,-

syn match edgeSign "[!<>|&^+*/=?]\|->\|\s-\s"
syn match edgePlacement "@"
syn match edgeCall "\<[[:alpha:]_][[:alnum:]_-]*\ze("
syn match edgeNumber "\<[0-9][0-9_]*\%(\.[0-9][0-9_]*\)\?\%(ms\|s\|min\|h\|d\|\%([kKMGTP]i\?\)\?B\)\?\>%\?"

" Words begin
syn match edgeClause "\<\%(add\|answer\|as\|at\|auth\|base\|because\|bridge\|call\|chosen\|code\|definition\|delete\|each\|entire\|errors\|extension\|fields\|fixed\|follow\|form\|from\|get\|header\|headers\|ignore\|insist\|json\|list\|many\|needs\|none\|on\|once\|one\|op\|order\|over\|part\|query\|recreate\|rehearse\|remove\|repeatable\|resource\|send\|shape\|since\|speaks\|stream\|text\|to\|try\|undo\|unique\|unless\|until\|when\)\>"
syn match edgeMethod "\<\%(DELETE\|GET\|HEAD\|PATCH\|POST\|PUT\)\>"
syn match edgeOperator "\<\%(as\|asc\|desc\|exactly\|in\|join\|like\|limit\|of\|offers\|on\|select\|where\|with\|within\|xor\)\>"
syn match edgeConstant "\<\%(false\|null\|true\)\>"
syn match edgeStatement "\<\%(assert\|at\|atomic\|compose\|else\|fn\|for\|if\|import\|input\|let\|parallel\|print\|scope\|service\|site\|try\)\>"
syn match edgeClause "\<already\s\+when\>"
syn match edgeClause "\<failed\s\+when\>"
syn match edgeClause "\<fenced\s\+by\>"
syn match edgeClause "\<found\s\+by\>"
syn match edgeClause "\<gone\s\+when\>"
syn match edgeClause "\<marked\s\+at\>"
syn match edgeClause "\<named\s\+by\>"
syn match edgeClause "\<of\s\+kind\>"
syn match edgeClause "\<pages\s\+by\>"
syn match edgeClause "\<read\s\+op\>"
syn match edgeClause "\<ready\s\+like\>"
syn match edgeClause "\<ready\s\+when\>"
syn match edgeClause "\<referred\s\+by\>"
syn match edgeClause "\<refers\s\+to\>"
syn match edgeClause "\<same\s\+when\>"
syn match edgeClause "\<unique\s\+in\>"
syn match edgeClause "\<unready\s\+because\>"
syn match edgeClause "\<wait\s\+until\>"
syn match edgeOperator "\<all\s\+but\>"
syn match edgeOperator "\<all\s\+of\>"
syn match edgeOperator "\<any\s\+of\>"
syn match edgeOperator "\<at\s\+least\>"
syn match edgeOperator "\<at\s\+most\>"
syn match edgeOperator "\<group\s\+by\>"
syn match edgeOperator "\<if\s\+any\>"
syn match edgeOperator "\<none\s\+of\>"
syn match edgeOperator "\<order\s\+by\>"
" Words end

syn keyword edgeType Bool Int Float String Duration Bytes Percent File Secret Site Sites Placement Choice Scope Any

" After a point and before a colon every word is a name.
syn match edgeField "\.\s*[[:alpha:]_][[:alnum:]_-]*"
syn match edgeKey "\<[[:alpha:]_][[:alnum:]_-]*\s*:"me=e-1

syn match edgeQuoted "`[^`]\+`"
syn match edgeEscape contained "\\\%([ntr\\\"$]\|u{\x\+}\)"
syn region edgeInterpolation contained matchgroup=edgeDelimiter start="\${" end="}" contains=TOP
syn region edgeBraces start="{" end="}" transparent contains=TOP
syn region edgeString start=+"+ skip=+\\.+ end=+"\|$+ contains=edgeEscape,edgeInterpolation
syn region edgeString start=+"""+ skip=+\\.+ end=+"""+ contains=edgeEscape,edgeInterpolation
syn match edgeComment "#.*$" contains=edgeTodo
syn match edgeDocumentation "##.*$" contains=edgeTodo
syn keyword edgeTodo contained TODO FIXME NOTE

hi def link edgeStatement Statement
hi def link edgeOperator Operator
hi def link edgeConstant Constant
hi def link edgeClause Keyword
hi def link edgeMethod Keyword
hi def link edgeSign Operator
hi def link edgePlacement Special
hi def link edgeCall Function
hi def link edgeNumber Number
hi def link edgeType Type
hi def link edgeField Normal
hi def link edgeKey Identifier
hi def link edgeQuoted Identifier
hi def link edgeEscape SpecialChar
hi def link edgeDelimiter Delimiter
hi def link edgeString String
hi def link edgeComment Comment
hi def link edgeDocumentation SpecialComment
hi def link edgeTodo Todo

syn sync minlines=100
let b:current_syntax = "edge"
