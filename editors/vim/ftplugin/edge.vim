" Comments, words and indentation of Edge.
if exists("b:did_ftplugin")
  finish
endif
let b:did_ftplugin = 1

setlocal comments=:##,:#
setlocal commentstring=#\ %s
setlocal formatoptions-=t formatoptions+=croql
" paris-1 is one name.
setlocal iskeyword=@,48-57,_,-
setlocal expandtab shiftwidth=2 softtabstop=2
setlocal smartindent
setlocal suffixesadd=.edge
setlocal include=^\\s*import\\s\\+"\\zs[^"]*\\ze"
" `gq` and `:%!edge fmt -`
setlocal formatprg=edge\ fmt\ -

let b:undo_ftplugin = "setlocal comments< commentstring< formatoptions< iskeyword< expandtab< shiftwidth< softtabstop< smartindent< suffixesadd< include< formatprg<"
